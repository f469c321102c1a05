"""Tests of the prediction of a user's own images, by a briefly trained checkpoint."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fbnet import paths
from fbnet.config.labels import CAMVID, CITYSCAPES
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.evaluation import tiling
from fbnet.evaluation.predict import find_images, overlay, predict_images
from fbnet.evaluation.predictor import predict
from fbnet.models import checkpoint
from fbnet.training.train import train
from tests.conftest import prepare_all

CPU = torch.device("cpu")
OUTPUT = Path("predicted")


@pytest.fixture
def trained(project):
    """A checkpoint with FBNet, and a folder of three images of different sizes and formats."""
    study = load_study("toy")
    prepare_all(study.data)
    train(study, study.runs["fcn_r50_fbnet"], 0, CPU)
    folder = Path("images")
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (40, 72)), ("b.jpg", (33, 50)), ("c.webp", (8, 9))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name)
    return paths.checkpoint_file("toy", "fcn_r50_fbnet", 0)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_folder(trained):
    assert predict_images(trained, [Path("images")], OUTPUT, CPU, show_balance=True) == []
    sizes = {"a": (40, 72), "b": (33, 50), "c": (8, 9)}
    for name, size in sizes.items():
        assert read(OUTPUT / f"labels/{name}.png").shape == size
        assert read(OUTPUT / f"overlay/{name}.png").shape == (*size, 3)
        assert read(OUTPUT / f"balance/{name}.png").shape == (*size, 3)
    assert len([path for path in OUTPUT.rglob("*") if path.is_file()]) == 9


def test_labels_are_raw_ids_of_the_prediction(trained):
    predict_images(trained, [Path("images/a.png")], OUTPUT, CPU)
    network, config = checkpoint.load(trained)
    expected = predict(network, read("images/a.png"), load_study("toy").settings.evaluation, CPU).argmax(dim=0).numpy()
    raw = read(OUTPUT / "labels/a.png")
    train_ids = np.vectorize(config.labels.raw_ids.get)(raw)
    assert np.array_equal(train_ids, expected)
    assert not (OUTPUT / "balance").exists()


def test_a_large_image_in_chunks(trained, monkeypatch):
    network, config = checkpoint.load(trained)
    image = read("images/a.png")
    expected = np.empty((40, 72), dtype=np.uint8)
    for top, bottom in ((0, 24), (24, 40)):
        for left, right in ((0, 24), (24, 48), (48, 72)):
            part = predict(network, image[top:bottom, left:right], load_study("toy").settings.evaluation, CPU)
            expected[top:bottom, left:right] = part.argmax(dim=0).numpy()
    monkeypatch.setattr(tiling, "MAX_PIXELS", 32 * 32)  # too small for a margin
    predict_images(trained, [Path("images/a.png")], OUTPUT, CPU, show_balance=True)
    assert np.array_equal(read(OUTPUT / "labels/a.png"), config.labels.to_raw(expected))
    assert read(OUTPUT / "balance/a.png").shape == (40, 72, 3)


def test_raw_labels_by_hand():
    train_ids = np.array([[0, 18], [5, 10]], dtype=np.uint8)
    assert CITYSCAPES.to_raw(train_ids).tolist() == [[7, 33], [17, 23]]
    assert CAMVID.to_raw(np.array([[0, 10]], dtype=np.uint8)).tolist() == [[0, 10]]


def test_overlay_by_hand():
    image = np.array([[[255, 0, 100]]], dtype=np.uint8)
    assert overlay(image, np.array([[0]]), CITYSCAPES).tolist() == [[[191, 32, 114]]]  # road is 128, 64, 128


def test_an_unreadable_image_is_skipped_with_a_warning(trained, caplog):
    path = Path("images/b.jpg")
    path.write_bytes(path.read_bytes()[:200])
    assert predict_images(trained, [Path("images")], OUTPUT, CPU) == [path]
    assert [message.partition(": ")[0] for message in caplog.messages] == ["images/b.jpg"]
    assert sorted(path.name for path in (OUTPUT / "labels").iterdir()) == ["a.png", "c.png"]


def test_the_command_exits_with_1(trained):
    Path("images/b.jpg").write_bytes(b"nothing")
    command = [str(Path(sys.executable).with_name("fbnet")), "predict", "--checkpoint", str(trained)]
    result = subprocess.run([*command, "--output", "out", "images"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "fbnet: images/b.jpg: cannot be read as an image" in result.stderr
    assert Path("out/labels/c.png").exists()


def test_a_checkpoint_without_modulator_shows_no_balance(trained):
    study = load_study("toy")
    train(study, study.runs["fcn_r50"], 0, CPU)
    baseline = paths.checkpoint_file("toy", "fcn_r50", 0)
    with pytest.raises(InputError, match="fcn_r50 has no feature modulator to show"):
        predict_images(baseline, [Path("images")], OUTPUT, CPU, show_balance=True)
    assert not OUTPUT.exists()


class TestFindImages:
    def test_missing(self, trained):
        with pytest.raises(InputError, match=r"nowhere\.png: no such file"):
            find_images([Path("nowhere.png")])

    def test_empty_folder(self, trained):
        Path("empty").mkdir()
        with pytest.raises(InputError, match="empty: holds no image"):
            find_images([Path("empty")])

    def test_two_of_one_name(self, trained):
        shutil.copytree("images", "others")
        with pytest.raises(InputError, match=r"others/a\.png: same name as images/a\.png"):
            find_images([Path("images"), Path("others")])

    def test_the_same_twice_is_one(self, trained):
        assert find_images([Path("images/a.png"), Path("images/a.png")]) == [Path("images/a.png")]
