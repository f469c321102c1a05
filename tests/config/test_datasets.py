"""Datasets that a study may name, and their folders and files."""

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
    assert TOY.prepared_files == [
        Path("data/synthetic", name)
        for name in ("manifest.json", "train_images.npy", "train_labels.npy", "val_images.npy", "val_labels.npy")
    ]
    assert REAL["cityscapes_test"].prepared_files == [
        Path("data/cityscapes_test", name) for name in ("manifest.json", "test_images.npy")
    ]


def test_all_of_cityscapes_lies_in_one_folder(monkeypatch):
    monkeypatch.setenv("CITYSCAPES_ROOT", "/elsewhere")
    roles = [role for role in REAL if role.startswith("cityscapes")]
    assert len(roles) == 3
    assert {str(REAL[role].raw_root) for role in roles} == {"/elsewhere"}
