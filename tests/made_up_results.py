"""A small project in a temporary folder: the real params/, three seeds, and results whose values are made up."""

import json
import shutil

import numpy as np
import pytest
import yaml

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_study
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The working folder of a test: the demo at settings that the tests know, and as `trio` with three seeds."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    demo = yaml.safe_load(paths.study_file("demo").read_text())
    demo |= {"description": "generated street scenes", "width": 0.125}
    demo["training"] = {"crop": [96, 192], "batch_size": 4, "epochs": 10, "learning_rate": 0.05}
    for name, seeds in (("demo", [0]), ("trio", [0, 1, 2])):
        paths.study_file(name).write_text(yaml.safe_dump(demo | {"seeds": seeds}))
    return tmp_path


@pytest.fixture
def demo(project):
    return load_study("demo")


@pytest.fixture
def trio(project):
    return load_study("trio")


def change_study(name, **changes):
    """Change keys of a study's file, and load it."""
    path = paths.study_file(name)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))
    return load_study(name)


def write_metrics(
    study, run, seed, miou=0.5, f_miou=0.4, iou=None, gflops=10.0, matrix=None, scales="single_scale", iterations=400
):
    """A metrics file with these values; classes without an IoU in `iou` have 0.25."""
    data = study.data_of(run)
    classes = data.labels.classes
    content = {
        "study": study.name,
        "run": run,
        "seed": seed,
        "dataset": data.dataset,
        "split": data.evaluate,
        "images": 32,
        "classes": list(classes),
        "foreground": list(data.labels.foreground),
        "miou": miou,
        "f_miou": f_miou,
        "iou": dict.fromkeys(classes, 0.25) | (iou or {}),
        "pixel_accuracy": 0.9,
        "confusion_matrix": np.eye(len(classes), dtype=int).tolist() if matrix is None else matrix,
        "gflops": gflops,
        "parameters": 1234,
        "iterations": iterations,
        "width": study.settings.width,
        "training": study.training_of(run).model_dump(),
        "evaluation": study.evaluation(scales).model_dump(),
        "device": "cpu",
    }
    if study.evaluation(scales).also_mirrored:
        content["mirrored"] = {"miou": miou, "f_miou": f_miou}
    path = paths.metrics_file(study.name, run, seed, scales)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_samples(study, run, seed, predictions, labels, balances=None):
    """A samples.npz of these (H, W) maps, on grey images."""
    arrays = {"names": np.array([f"scene_{index}" for index in range(len(labels))])}
    for index, (label, prediction) in enumerate(zip(labels, predictions, strict=True)):
        arrays[f"image_{index}"] = np.full((*label.shape, 3), 128, dtype=np.uint8)
        arrays[f"label_{index}"] = label
        arrays[f"prediction_{index}"] = prediction
        if balances is not None:
            arrays[f"balance_{index}"] = balances[index]
    path = paths.samples_file(study.name, run, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


def street(number):
    """A (48, 96) uint8 label: sky, building, road, a car whose position depends on the number, an ignored strip."""
    ids = {name: index for index, name in enumerate(CITYSCAPES.classes)}
    label = np.full((48, 96), ids["building"], dtype=np.uint8)
    label[:16], label[30:], label[44:] = ids["sky"], ids["road"], 255
    label[20:32, 10 + 8 * number : 30 + 8 * number] = ids["car"]
    return label


def write_street_samples(study, samples=4):
    """Samples of the study's figure runs: the baseline takes cars for buildings, FBNet gets everything right."""
    labels = [street(number) for number in range(samples)]
    right = [np.where(label == 255, 0, label).astype(np.uint8) for label in labels]
    car, building = CITYSCAPES.classes.index("car"), CITYSCAPES.classes.index("building")
    wrong = [np.where(label == car, building, label).astype(np.uint8) for label in right]
    balances = [np.linspace(0, 1, 72, dtype=np.float32).reshape(6, 12) for _ in labels]
    write_samples(study, study.figure_runs.baseline, 0, wrong, labels)
    write_samples(study, study.figure_runs.fbnet, 0, right, labels, balances)
