"""A new dataset and a new backbone are one registry entry and one module each, in a copy of the package."""

import json
import os
import shutil
import subprocess
import sys
from pkgutil import resolve_name

import pytest
import yaml

from fbnet.config.registry import BACKBONES, DATASETS, FIGURES, HEADS
from fbnet.provenance.sources import source_files
from tests.conftest import ROOT, TOY

ENTRIES = """
DATASETS["toy_data"] = DatasetEntry(reader="fbnet.data.readers.toy_data")
BACKBONES["toy_net"] = BackboneEntry(implementation="fbnet.models.backbones.toy_net:ToyNet", title="Toy")
"""
READER = """
from fbnet.data.readers.pairs import by_name, pair

def raw_paths(root, split):
    return root / split / "image", root / split / "label"

def pairs(root, split):
    images, labels = (by_name((path.stem, path) for path in folder.glob("*.png")) for folder in raw_paths(root, split))
    return pair(images, labels, root, "expected image/*.png and label/*.png")
"""
BACKBONE = """
from torch import nn

from fbnet.data.normalisation import IMAGENET
from fbnet.models.layers import initialise, scale_channels

STRIDES = {"res2": 2, "res3": 2, "res4": 1, "res5": 1}

class ToyNet(nn.Module):
    layout = "toy"
    normalisation = IMAGENET
    strides = {"res2": 4, "res3": 8, "res4": 8, "res5": 8}

    def __init__(self, width):
        super().__init__()
        channels = scale_channels(64, width)
        self.channels = dict.fromkeys(STRIDES, channels)
        self.stem = nn.Conv2d(3, channels, 3, 2, 1)
        for name, stride in STRIDES.items():
            layers = nn.Conv2d(channels, channels, 3, stride, 1), nn.BatchNorm2d(channels), nn.ReLU()
            self.add_module(name, nn.Sequential(*layers))
        initialise(self, "fan_out")

    @classmethod
    def of_run(cls, run, width):
        return cls(width)

    @classmethod
    def strides_of(cls, run):
        return cls.strides

    def stages(self):
        return ((name, getattr(self, name)) for name in STRIDES)
"""
SCRIPT = """
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fbnet.config.load import load_study
from fbnet.data.prepare import prepare
from fbnet.models import checkpoint
from fbnet.planning.plan import make_plan
from fbnet.provenance.graph import build_graph
from fbnet.provenance.sources import source_files
from fbnet.training.train import train

for split in ("train", "val"):
    for kind, shape in (("image", (64, 128, 3)), ("label", (64, 128))):
        Path("raw", split, kind).mkdir(parents=True)
        for index in range(2):
            Image.fromarray(np.full(shape, 7 + index, np.uint8)).save(Path("raw", split, kind, f"{index}.png"))
study = load_study("toy")
make_plan(study)
for split in study.data.splits:
    prepare(study.data, split)
train(study, study.run("toy_net"), 0, torch.device("cpu"))
network, _ = checkpoint.load(Path("results/toy/runs/toy_net/seed0/model.pt"))
sources = {f"{result.kind}": [path.name for path in source_files(result.kind, node.variants)]
           for result, node in build_graph(study).results.items()}
print(json.dumps({"backbone": type(network.backbone).__name__, "sources": sources}))
"""


def test_a_new_dataset_and_a_new_backbone(tmp_path):
    package = shutil.copytree(ROOT / "fbnet", tmp_path / "fbnet", ignore=shutil.ignore_patterns("__pycache__"))
    with (package / "config/registry.py").open("a") as file:
        file.write(ENTRIES)
    (package / "data/readers/toy_data.py").write_text(READER)
    (package / "models/backbones/toy_net.py").write_text(BACKBONE)
    (tmp_path / "params/studies").mkdir(parents=True)
    runs = {
        "runs": {"toy_net": {"label": "Toy", "head": "fcn", "backbone": "toy_net", "balance": {"stages": ["res5"]}}},
        "quoted": {},
        "tables": {"table_1": {"title": "Toys", "describe": [], "columns": ["miou"], "rows": ["toy_net"]}},
        "figures": {},
        "figure_runs": {"baseline": "toy_net", "fbnet": "toy_net"},
    }
    data = {"cityscapes": {"dataset": "toy_data", "root": "raw", "train": "train", "evaluate": "val"}}
    study = {**TOY, "data": data, "tables": ["table_1"], "figures": [], "seeds": [0]}
    (tmp_path / "params/runs.yaml").write_text(yaml.safe_dump(runs))
    (tmp_path / "params/studies/toy.yaml").write_text(yaml.safe_dump(study))

    command = [sys.executable, "-c", SCRIPT]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["backbone"] == "ToyNet"
    assert "toy_data.py" in found["sources"]["prepare"]
    assert "toy_net.py" in found["sources"]["train"]
    assert not {"toy_data.py", "resnet.py", "registry.py"} & set(found["sources"]["train"])


class TestSourceFiles:
    """A result depends on the modules that are chosen, and on none of the others."""

    @pytest.mark.parametrize(
        ("kind", "choices", "chosen", "others"),
        [
            ("train", ("fcn", "resnet50"), {"fcn", "resnet"}, {"wider_resnet", "pspnet", "described", "registry"}),
            ("prepare", ("synthetic",), {"write", "layouts", "described"}, {"bdd100k", "mapillary"}),
            ("prepare", ("camvid",), {"described"}, {"write", "layouts", "bdd100k", "mapillary"}),
            ("figure", ("figure_2",), {"confusion"}, {"predictions", "balance_maps"}),
        ],
    )
    def test_of_a_choice(self, kind, choices, chosen, others):
        names = {path.stem for path in source_files(kind, choices)}
        assert chosen <= names
        assert not others & names


def test_implementations_are_there():
    targets = [entry.implementation for entry in BACKBONES.values()] + [*HEADS.values(), *FIGURES.values()]
    for entry in DATASETS.values():
        targets += [target for target in (entry.reader, entry.layout, entry.scene_writer) if target]
    assert all(resolve_name(target) for target in targets)
