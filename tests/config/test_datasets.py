"""What a study may say of its data, and the schema that says the same to editors."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pytest

from fbnet.config.datasets import DataConfig, Role, SyntheticConfig
from fbnet.config.strict import Where
from fbnet.errors import InputError
from tests.conftest import ROOT

WHERE = Where("study.yaml", ("data",))
SCENES = SyntheticConfig(height=32, width=64, images={"train": 2, "val": 1})
TOY = DataConfig(dataset="synthetic", root="raw", train="train", evaluate="val", synthetic=SCENES)
REAL = {
    "cityscapes": DataConfig(dataset="cityscapes", root="raw", train="train", evaluate="val"),
    "cityscapes_test": DataConfig(dataset="cityscapes_test", root="raw", predict="test"),
    "cityscapes_coarse": DataConfig(dataset="cityscapes_coarse", root="raw", train="train_extra"),
    "bdd100k": DataConfig(dataset="bdd100k", root="raw", train="train", evaluate="val"),
    "mapillary": DataConfig(dataset="mapillary", root="raw", train="training"),
}


def scenes(**images):
    return replace(SCENES, images=images)


@pytest.mark.parametrize("role", get_args(Role))
def test_each_role_takes_its_data_set(role):
    REAL[role].check(WHERE, role)


@pytest.mark.parametrize(
    ("data", "role", "message"),
    [
        (replace(TOY, evaluate=None), "cityscapes", "data.evaluate: is missing; name a split"),
        (replace(TOY, predict="val"), "cityscapes", "data.predict: has no use here; remove it, data.cityscapes needs"),
        (replace(REAL["mapillary"], evaluate="validation"), "mapillary", "data.evaluate: has no use here"),
        (
            replace(REAL["cityscapes_test"], predict=None, train="test"),
            "cityscapes_coarse",
            "data.dataset: cityscapes_test has no labels; choose from synthetic, synthetic_coarse",
        ),
        (
            replace(REAL["cityscapes"], train=None, evaluate=None, predict="test"),
            "cityscapes_test",
            "data.dataset: cityscapes is read with labels, which a test server keeps; choose from synthetic_test, "
            "cityscapes_test",
        ),
        (replace(TOY, synthetic=None), "cityscapes", "data.synthetic: belongs to the synthetic data sets"),
        (
            replace(TOY, synthetic=scenes(train=2)),
            "cityscapes",
            "data.synthetic.images: has no number for split 'val'",
        ),
        (
            replace(TOY, synthetic=scenes(train=2, val=1, test=1)),
            "cityscapes",
            "data.synthetic.images: no split 'test'; choose from train, val",
        ),
        (
            DataConfig(dataset="synthetic_mapillary", root="raw", train="train", synthetic=scenes(train=2)),
            "mapillary",
            "data.synthetic.images: no split 'train'; choose from training, validation",
        ),
    ],
)
def test_refused(data, role, message):
    with pytest.raises(InputError) as raised:
        data.check(WHERE, role)
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


class TestSchema:
    DATA = json.loads((ROOT / "workflow/schemas/study.schema.json").read_text())["properties"]["data"]

    @pytest.mark.parametrize(
        ("cls", "place"),
        [
            (DataConfig, DATA["additionalProperties"]),
            (SyntheticConfig, DATA["additionalProperties"]["properties"]["synthetic"]),
        ],
    )
    def test_same_keys(self, cls, place):
        assert list(place["properties"]) == [entry.name for entry in fields(cls)]
        assert place["additionalProperties"] is False
