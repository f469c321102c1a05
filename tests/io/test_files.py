"""Atomic writing of files."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fbnet.io.files import new_folder, write_whole


def test_it_appears_whole(tmp_path):
    path = tmp_path / "new/file"
    write_whole(path, lambda file: (file.write(b"a"), file.write(b"b")))
    assert path.read_bytes() == b"ab"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise KeyError("x")

    with pytest.raises(KeyError):
        write_whole(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_at_once_leave_one_whole_file(tmp_path):
    """Each waits in the middle of its writing until the other has begun."""
    path, begun = tmp_path / "file", threading.Barrier(2)
    contents = (b"first" * 1000, b"second" * 1000)

    def write(content):
        def fill(file):
            file.write(content[:10])
            begun.wait(timeout=10)
            file.write(content[10:])

        write_whole(path, fill)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("raised", [OSError(errno.ENOSPC, "No space left on device"), None])
def test_what_the_system_refuses_names_the_file(tmp_path, raised):
    path = tmp_path / "file"
    if raised is None:  # a folder where the file is to be
        path.mkdir()

    def fill(file):
        if raised is not None:
            try:
                raise raised
            except OSError:
                raise RuntimeError("cannot write")  # noqa: B904, as torch does

    with pytest.raises(OSError, match="file") as error:
        write_whole(path, fill)
    assert error.value.filename == str(path)
    assert not list(tmp_path.glob("*.part"))


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_whole(tmp_path / "file", lambda file: os.stat(tmp_path / "other"))
    assert error.value.filename == str(tmp_path / "other")


class TestNewFolder:
    def test_it_appears_whole_in_place_of_another(self, tmp_path):
        folder = tmp_path / "new/folder"
        for content in ("first", "second"):
            with new_folder(folder) as part:
                (part / content).write_text(content)
                assert not (folder / content).exists()
            assert [path.name for path in folder.iterdir()] == [content]
            assert list(folder.parent.iterdir()) == [folder]

    def test_a_failure_leaves_the_old_one_and_nothing_else(self, tmp_path):
        folder = tmp_path / "folder"
        (folder / "old").mkdir(parents=True)

        def fail():
            with new_folder(folder) as part:
                (part / "half").write_text("half")
                raise KeyError("x")

        with pytest.raises(KeyError):
            fail()
        assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["folder", "folder/old"]

    def test_many_at_once_leave_one_whole_folder(self, tmp_path):
        """All of them end their blocks together."""
        folder, filled = tmp_path / "folder", threading.Barrier(8)

        def fill(content):
            for _ in range(50):
                with new_folder(folder) as part:
                    for name in "ab":
                        (part / name).write_text(content)
                    filled.wait()
            return True

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(fill, map(str, range(8))))
        assert list(tmp_path.iterdir()) == [folder]
        assert (folder / "a").read_text() == (folder / "b").read_text()
