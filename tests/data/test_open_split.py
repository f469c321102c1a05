"""Opening of packed splits: what does not fit is refused in one line."""

import json
import shutil

import numpy as np
import pytest

from fbnet import paths
from fbnet.data.packed import open_split
from fbnet.data.prepare import prepare
from fbnet.errors import InputError
from tests.conftest import prepare_all
from tests.data.raw import CAMVID_DATA, MANIFEST, SIZE, TRAIN, truncate


class TestOpen:
    def test_not_prepared(self, project):
        with pytest.raises(InputError, match=rf"{MANIFEST}: not there; .*fbnet prepare"):
            open_split(CAMVID_DATA, "train")

    def test_other_split(self, camvid):
        prepare(CAMVID_DATA, "train")
        with pytest.raises(InputError, match=r"data/camvid/test-\w{8}/manifest\.json: not there"):
            open_split(CAMVID_DATA, "test")

    def test_damaged_manifest(self, camvid):
        prepare(CAMVID_DATA, "train").write_text("{")
        with pytest.raises(InputError, match=r"manifest\.json: damaged"):
            open_split(CAMVID_DATA, "train")

    @pytest.mark.parametrize("kind", paths.ARRAYS)
    def test_truncated_array(self, camvid, kind):
        prepare(CAMVID_DATA, "train")
        truncate(paths.array_file(TRAIN, kind))
        with pytest.raises(InputError, match=f"/{kind}.npy: (cannot be read|does not fit)"):
            open_split(CAMVID_DATA, "train")

    def test_an_array_of_other_data(self, camvid):
        prepare(CAMVID_DATA, "train")
        np.save(paths.array_file(TRAIN, "labels"), np.zeros(7, np.uint8))
        with pytest.raises(InputError, match=r"/labels\.npy: does not fit its manifest"):
            open_split(CAMVID_DATA, "train")

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "../x"},
            {"name": "/x"},
            {"name": "a\\b"},
            {"name": ".."},
            {"name": ""},
            {"name": "a\0"},
            {"name": "a\nb"},
            {"name": "x" * 300},
            {"name": 3},
            {"height": -SIZE[0], "width": -SIZE[1]},
            {"height": True},
            {"height": str(SIZE[0])},
            {"height": 10**30},
            {"width": None},
        ],
    )
    def test_a_manifest_of_impossible_images(self, camvid, change):
        path = prepare(CAMVID_DATA, "train")
        manifest = json.loads(path.read_text())
        manifest["images"][0] |= change
        path.write_text(json.dumps(manifest))
        with pytest.raises(InputError, match=rf"^{MANIFEST}: damaged \(.*; prepare .* again"):
            open_split(CAMVID_DATA, "train")

    @pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, '{"images": [3]}', "NaN"])
    def test_a_manifest_that_is_none(self, camvid, content):
        prepare(CAMVID_DATA, "train").write_text(content)
        with pytest.raises(InputError, match=rf"^{MANIFEST}: damaged .*; prepare .* again"):
            open_split(CAMVID_DATA, "train")

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda path: np.save(path, np.array([{}, {}], dtype=object), allow_pickle=True),
            lambda path: path.write_bytes(path.read_bytes().replace(b"'shape': (", b"'shape': (9")),
            lambda path: path.write_bytes(path.read_bytes().replace(b"'shape': (", b"'shape': (9**9*")),
            lambda path: np.savez(path.open("wb"), a=np.zeros(3)),
            lambda path: path.write_bytes(b""),
            lambda path: (path.unlink(), path.mkdir()),
            lambda path: path.unlink(),
        ],
        ids=["objects", "more than there is", "a sum", "an archive", "empty", "a folder", "missing"],
    )
    def test_an_array_that_is_none(self, camvid, spoil):
        prepare(CAMVID_DATA, "train")
        spoil(paths.array_file(TRAIN, "labels"))
        with pytest.raises(InputError, match=rf"^data/{TRAIN}/labels\.npy: .*; prepare .* again"):
            open_split(CAMVID_DATA, "train")

    def test_data_under_the_name_of_others(self, camvid):
        prepare_all(CAMVID_DATA)
        test = paths.prepared_dir(CAMVID_DATA.packed_name("test"))
        shutil.rmtree(test)
        paths.prepared_dir(TRAIN).rename(test)
        with pytest.raises(InputError, match="made from other parameters"):
            open_split(CAMVID_DATA, "test")
