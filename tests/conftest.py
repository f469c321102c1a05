"""A throw-away project: the shipped runs, and a study so small that a test can train it."""

import shutil
from pathlib import Path

import pytest
import yaml

from fbnet import paths

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
    "training": {"crop": [32, 64], "batch_size": 2, "epochs": 1, "learning_rate": 0.01},
    "evaluation": {"mode": "whole", "samples": 2},
    "seeds": [0, 1],
    "tables": ["table_1", "table_2", "table_3", "table_4"],
    "figures": ["figure_1", "figure_2", "figure_7"],
}


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


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project in a temporary working directory, with the shipped parameters and the study `toy`."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    for variable in ("CITYSCAPES_ROOT", "BDD100K_ROOT", "MAPILLARY_ROOT", "CAMVID_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    project = Project()
    project.write_study()
    return project
