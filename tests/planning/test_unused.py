"""Packed splits that no study uses: which they are, and what goes with them."""

from pathlib import Path

import pytest

from fbnet import paths
from fbnet.errors import InputError
from fbnet.planning.unused import UnusedSplit, remove, unused_splits

OLD = "synthetic/train-0123abcd"


def write(path: Path, size: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


@pytest.fixture
def used(demo) -> str:
    """Name of a packed split that a study uses."""
    return demo.data.packed_name("train")


@pytest.fixture
def records(used):
    """Records of a split that no study uses, and of one that a study uses; the packed data are not here."""
    return [write(paths.provenance_file("demo", "prepare", name)) for name in (OLD, used)]


def test_nothing_is_packed(project):
    assert unused_splits() == ()


def test_other_parameters_and_what_a_killed_one_left(used):
    for name in (used, OLD):
        write(paths.array_file(name, "images"), 100)
        write(paths.manifest_file(name), 23)
    parts = [f"{used}.89abcdef.former.part", f"{used}.89abcdef.part"]
    for name in parts:
        write(paths.array_file(name, "images"), 50)
    assert set(unused_splits()) == {UnusedSplit(OLD, 123), *(UnusedSplit(name, 50) for name in parts)}


def test_somebodys_own_folders_are_not_ours(project):
    for name in (
        "camvid/train/a.png",
        "camvid/train-annotations/a.png",
        "raw/camvid-0123abcd/a.png",
        "mine-0123abcd/a",
    ):
        write(paths.DATA / name)
    assert unused_splits() == ()


def test_records_alone(records):
    assert unused_splits() == (UnusedSplit(OLD, 0),)


def test_a_study_that_cannot_be_read_is_said(records):
    paths.study_file("broken").write_text("data: 3")
    with pytest.raises(InputError, match=r"^params/studies/broken\.yaml: "):
        unused_splits()


def test_removed_with_records_and_pointer(used, records):
    gone = [
        records[0],
        write(paths.array_file(OLD, "images")),
        write(paths.provenance_file("demo", "centroids", f"{OLD}/64")),
        write(paths.raw_listing(OLD)),
        write(Path(f"data/{OLD}.dvc")),
    ]
    kept = [records[1], write(paths.manifest_file(used)), write(Path(f"data/{used}.dvc"))]
    for split in unused_splits():
        remove(split)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    assert unused_splits() == ()
