"""Copies of packed arrays on a machine's own disk."""

import hashlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fbnet import paths
from fbnet.data import scratch
from fbnet.data.packed import open_split
from fbnet.data.prepare import prepare
from fbnet.data.scratch import local_copy
from fbnet.errors import InputError
from tests.data.raw import CAMVID_DATA, TRAIN

HINT = "prepare again"


@pytest.fixture
def array(tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, np.arange(1000, dtype=np.uint8))
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copies(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")


class TestLocalCopy:
    def test_has_the_same_bytes(self, array, tmp_path):
        copy = local_copy(array, digest(array), tmp_path / "local", HINT)
        assert copies(tmp_path / "local") == [copy]
        assert copy.read_bytes() == array.read_bytes()

    def test_is_made_once(self, array, tmp_path):
        first = local_copy(array, digest(array), tmp_path / "local", HINT)
        inode = first.stat().st_ino
        array.write_bytes(bytes(array.stat().st_size))  # not read again
        name = first.stem
        assert local_copy(array, name, tmp_path / "local", HINT).stat().st_ino == inode

    def test_of_jobs_that_start_together_is_made_once(self, array, tmp_path, monkeypatch):
        copied = []
        whole = scratch._copy
        monkeypatch.setattr(scratch, "_copy", lambda *of: (copied.append(1), time.sleep(0.2), whole(*of)))
        with ThreadPoolExecutor(4) as jobs:
            found = set(jobs.map(lambda _: local_copy(array, digest(array), tmp_path / "local", HINT), range(4)))
        assert len(found) == len(copied) == 1

    def test_of_another_array_is_refused(self, array, tmp_path):
        with pytest.raises(InputError, match=r"images\.npy: is not the file that its manifest names; prepare again"):
            local_copy(array, "0" * 64, tmp_path / "local", HINT)
        assert copies(tmp_path / "local") == []

    def test_that_was_cut_short_is_made_again(self, array, tmp_path):
        copy = local_copy(array, digest(array), tmp_path / "local", HINT)
        os.truncate(copy, 10)
        assert local_copy(array, digest(array), tmp_path / "local", HINT).read_bytes() == array.read_bytes()

    def test_that_nobody_used_for_long_is_removed(self, array, tmp_path):
        other = tmp_path / "labels.npy"
        np.save(other, np.zeros(9, np.uint8))
        old, used = (local_copy(file, digest(file), tmp_path / "local", HINT) for file in (array, other))
        opened = np.load(old, mmap_mode="r")
        for copy in (old, used):
            os.utime(copy, (1, 1))
        os.utime(used)
        assert local_copy(other, digest(other), tmp_path / "local", HINT) == used
        assert copies(tmp_path / "local") == [used]
        assert opened[999] == 999 % 256  # whoever has it open keeps it

    @pytest.mark.parametrize("place", ["/dev/null", "/proc/nowhere"])
    def test_without_a_folder_the_array_is_read_where_it_is(self, array, place, tmp_path, caplog):
        assert local_copy(array, digest(array), Path(place), HINT) == array
        assert f"{array} is read where it is" in caplog.text

    def test_on_a_full_disk_the_array_is_read_where_it_is(self, array, tmp_path):
        """A limit on the size of files stands for the disk."""
        code = (
            "import resource, signal, sys; from pathlib import Path; from fbnet.data.scratch import local_copy\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
            "print(local_copy(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), ''))"
        )
        command = [sys.executable, "-c", code, array, digest(array), tmp_path / "local"]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        assert result.stdout.strip() == str(array)
        assert copies(tmp_path / "local") == []

    def test_a_missing_array_is_left_to_its_reader(self, tmp_path):
        assert local_copy(tmp_path / "none.npy", "0" * 64, tmp_path / "local", HINT) == tmp_path / "none.npy"
        assert not (tmp_path / "local").exists()


class TestOpenSplit:
    def test_reads_the_copies(self, camvid, tmp_path):
        prepare(CAMVID_DATA, "train")
        expected = open_split(CAMVID_DATA, "train")
        split = open_split(CAMVID_DATA, "train", tmp_path / "local")
        assert len(copies(tmp_path / "local")) == 2
        for kind in paths.ARRAYS:
            paths.array_file(TRAIN, kind).unlink()  # what is read from here on are the copies
        for index in range(len(expected)):
            np.testing.assert_array_equal(split.image(index), expected.image(index))
            np.testing.assert_array_equal(split.labels(index), expected.labels(index))
