"""Datasets that a study may name, and their folders and files."""

import hashlib
from pathlib import Path
from typing import get_args

import pytest

from fbnet.config.base import validating
from fbnet.config.datasets import DataConfig, Role, SyntheticConfig, check_role
from fbnet.errors import InputError

SCENES = SyntheticConfig(height=32, width=64, images={"train": 2, "val": 1})
TOY = DataConfig(dataset="synthetic", root="raw", train="train", evaluate="val", synthetic=SCENES)
REAL = {
    "cityscapes": DataConfig(dataset="cityscapes", root="raw", train="train", evaluate="val"),
    "cityscapes_test": DataConfig(dataset="cityscapes_test", root="raw", predict="test"),
    "cityscapes_coarse": DataConfig(dataset="cityscapes_coarse", root="raw", train="train_extra"),
    "bdd100k": DataConfig(dataset="bdd100k", root="raw", train="train", evaluate="val"),
    "mapillary": DataConfig(dataset="mapillary", root="raw", train="training"),
}


def check(data, role, **changes):
    """Checks a dataset with changes, as a study's file would hold it."""
    with validating(Path("study.yaml")):
        check_role(role, DataConfig.model_validate({**data.model_dump(), **changes}))


def scenes(**images):
    return {**SCENES.model_dump(), "images": images}


@pytest.mark.parametrize("role", get_args(Role))
def test_each_role_takes_its_data_set(role):
    check(REAL[role], role)


@pytest.mark.parametrize(
    ("data", "role", "changes", "message"),
    [
        (TOY, "cityscapes", {"evaluate": None}, "data.cityscapes.evaluate: is missing; name a split"),
        (
            TOY,
            "cityscapes",
            {"predict": "val"},
            "data.cityscapes.predict: has no use here; remove it, data.cityscapes needs train and evaluate",
        ),
        (REAL["mapillary"], "mapillary", {"evaluate": "validation"}, "data.mapillary.evaluate: has no use here"),
        (
            REAL["cityscapes_test"],
            "cityscapes_coarse",
            {"predict": None, "train": "test"},
            "data.cityscapes_coarse.dataset: cityscapes_test has no labels; choose from synthetic, synthetic_coarse",
        ),
        (
            REAL["cityscapes"],
            "cityscapes_test",
            {"train": None, "evaluate": None, "predict": "test"},
            "data.cityscapes_test.dataset: cityscapes is read with labels, which a test server keeps; choose from "
            "synthetic_test, cityscapes_test",
        ),
        (TOY, "cityscapes", {"synthetic": None}, "synthetic: belongs to the synthetic datasets"),
        (
            TOY,
            "cityscapes",
            {"synthetic": scenes(train=2)},
            "synthetic.images: has no number for split 'val'",
        ),
        (
            TOY,
            "cityscapes",
            {"synthetic": scenes(train=2, val=1, test=1)},
            "synthetic.images: no split 'test'; choose from train, val",
        ),
        (
            REAL["mapillary"],
            "mapillary",
            {"dataset": "synthetic_mapillary", "synthetic": scenes(train=2)},
            "synthetic.images: no split 'train'; choose from training, validation",
        ),
    ],
)
def test_refused(data, role, changes, message):
    with pytest.raises(InputError) as raised:
        check(data, role, **changes)
    assert str(raised.value).startswith(f"study.yaml: {message}")


def test_prepared_files():
    folder = Path("data", TOY.packed_name("train"))
    assert TOY.prepared_files("train") == [folder / name for name in ("manifest.json", "images.npy", "labels.npy")]
    test = REAL["cityscapes_test"]
    folder = Path("data", test.packed_name("test"))
    assert test.prepared_files("test") == [folder / name for name in ("manifest.json", "images.npy")]


class TestPackedName:
    """Every difference in what a split depends on has a name of its own, and nothing else has."""

    def test_by_hand(self):
        text = '{"dataset": "camvid", "root": "raw", "split": "val"}'
        key = hashlib.sha256(text.encode()).hexdigest()[:8]
        data = DataConfig(dataset="camvid", root="raw", train="train", evaluate="val")
        assert data.packed_name("val") == f"camvid/val-{key}"

    def test_of_real_data(self, monkeypatch):
        data = DataConfig(dataset="camvid", root="raw", train="train", evaluate="val")
        name = data.packed_name("train")
        assert data.model_copy(update={"evaluate": "test"}).packed_name("train") == name
        assert data.model_copy(update={"root": "other"}).packed_name("train") != name
        monkeypatch.setenv("CAMVID_ROOT", "elsewhere")
        assert data.packed_name("train") == name

    @pytest.mark.parametrize(
        ("change", "same"),
        [
            ({"images": {"train": 2, "val": 9}}, True),
            ({"images": {"train": 3, "val": 1}}, False),
            ({"height": 64}, False),
            ({"width": 128}, False),
            ({"seed": 1}, False),
        ],
    )
    def test_of_scenes(self, change, same):
        other = TOY.model_copy(update={"root": "other", "synthetic": TOY.synthetic.model_copy(update=change)})
        assert (other.packed_name("train") == TOY.packed_name("train")) == same


def test_all_of_cityscapes_lies_in_one_folder(monkeypatch):
    monkeypatch.setenv("CITYSCAPES_ROOT", "/elsewhere")
    roles = [role for role in REAL if role.startswith("cityscapes")]
    assert len(roles) == 3
    assert {str(REAL[role].raw_root) for role in roles} == {"/elsewhere"}
