"""A throw-away project: the shipped runs, and a study so small that a test can train it."""

import shutil
from pathlib import Path

import pytest
import yaml

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.data.prepare import prepare
from fbnet.runtime import instructions

ROOT = Path(__file__).parent.parent

TOY = {
    "description": "a few tiny scenes",
    "data": {
        "cityscapes": {
            "dataset": "synthetic",
            "root": "data/raw/synthetic",
            "synthetic": {"height": 64, "width": 128, "images": {"train": 4, "val": 2}, "seed": 0},
            "train": "train",
            "evaluate": "val",
        }
    },
    "width": 0.0625,
    "training": {"crop": [32, 64], "batch_size": 2, "epochs": 1, "learning_rate": 0.01, "precision": "float32"},
    "evaluation": {"mode": "whole", "samples": 2, "precision": "float32"},
    "seeds": [0, 1],
    "tables": ["table_1", "table_2", "table_3", "table_4"],
    "figures": ["figure_1", "figure_2", "figure_7"],
}


TRAIN, VAL = map(DataConfig.model_validate(TOY["data"]["cityscapes"]).packed_name, ("train", "val"))
"""Names of the packed splits of TOY."""


def _scenes(dataset: str, images: dict[str, int], **uses: str) -> dict:
    """A data set of a few tiny scenes."""
    size = {"height": 64, "width": 128}
    return {
        "dataset": dataset,
        "root": f"data/raw/{dataset}",
        "synthetic": size | {"images": images, "seed": 1},
        **uses,
    }


# What a study needs beside TOY to have every run.
EVERYTHING = {
    "data": {
        **TOY["data"],
        "cityscapes_test": _scenes("synthetic_test", {"test": 3}, predict="test"),
        "cityscapes_coarse": _scenes("synthetic_coarse", {"train_extra": 3}, train="train_extra"),
        "bdd100k": _scenes("synthetic_bdd100k", {"train": 4, "val": 2}, train="train", evaluate="val"),
        "mapillary": _scenes("synthetic_mapillary", {"training": 4}, train="training"),
    },
    "recipes": {
        "pretraining": {"image_weights": 6.0, "poly_power": 1.0},
        "finetuning": {"class_uniform": {"tile": {"cityscapes": 64, "cityscapes_coarse": 64}}},
    },
    "multi_scale": {"scales": [0.75, 1.0], "mirror": True},
    "tables": ["table_1", "table_2", "table_3", "table_4", "table_5", "table_6"],
}


def prepare_all(data: DataConfig) -> None:
    """Pack every split of a data set that a study uses."""
    for split in data.splits:
        prepare(data, split)


class Project:
    """The working directory, with its study `toy`."""

    def write_study(self, **changes: object) -> None:
        """Writes params/studies/toy.yaml; a dotted key such as `training__crop` changes one setting."""
        study = yaml.safe_load(yaml.safe_dump(TOY))
        for key, value in changes.items():
            *parents, last = key.split("__")
            place = study
            for parent in parents:
                place = place[parent]
            place[last] = value
        paths.study_file("toy").write_text(yaml.safe_dump(study))


@pytest.fixture(autouse=True)
def _float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `auto` precision float32 on every machine, as expected values are of float32."""
    monkeypatch.setattr(instructions, "CPU_INFO", Path("no such file"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project in a temporary working directory, with the shipped parameters and the study `toy`."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    for variable in ("CITYSCAPES_ROOT", "BDD100K_ROOT", "CAMVID_ROOT", "MAPILLARY_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    project = Project()
    project.write_study()
    return project
