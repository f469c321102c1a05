"""Tests of scores against cityscapesScripts' own evaluator and by hand, and of bad folders."""

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from PIL import Image

from fbnet import paths
from fbnet.config.labels import CAMVID, CITYSCAPES, IGNORE_INDEX
from fbnet.config.load import load_study
from fbnet.data.images import read_labels
from fbnet.data.packed import open_split
from fbnet.errors import InputError
from fbnet.evaluation.evaluate import evaluate
from fbnet.evaluation.predictor import predict_labels
from fbnet.evaluation.score import score
from fbnet.models import checkpoint
from fbnet.training.train import train
from tests.conftest import prepare_all
from tests.own_data import COLOURS, describe, make_streets
from tests.test_cli import fbnet, refused

CLASS_IDS = [raw for raw, train in CITYSCAPES.raw_ids.items() if train != IGNORE_INDEX]
VOID_IDS = [raw for raw, train in CITYSCAPES.raw_ids.items() if train == IGNORE_INDEX]
ROAD, CAR, SKY, DYNAMIC = 7, 26, 23, 5
CPU = torch.device("cpu")
STEM = "ulm_000000_000019"


def save(path: Path, ids: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(ids, dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def folders(tmp_path):
    """One image: 2 road, 2 car and 1 void pixel; predicted road, void, car, road, sky."""
    save(tmp_path / "labels" / "ulm" / f"{STEM}_gtFine_labelIds.png", [[ROAD, ROAD, CAR, CAR, 0]])
    save(tmp_path / "predictions" / f"{STEM}_pred.png", [[ROAD, DYNAMIC, CAR, ROAD, SKY]])
    return tmp_path / "predictions", tmp_path / "labels"


def drawn_images(folder, images):
    """Blocks of random ids, and mostly right predictions; no trains or buses are labelled."""
    rng = np.random.default_rng(7)
    labelled = [*(raw for raw in CLASS_IDS if raw not in (28, 31)), *VOID_IDS]
    predicted = [*(raw for raw in CLASS_IDS if raw != 31), *VOID_IDS]
    files = []
    for index in range(images):
        label, wrong = (np.kron(rng.choice(ids, (8, 16)), np.ones((4, 4))) for ids in (labelled, predicted))
        right = rng.random(label.shape) < 0.7
        stem = f"city{index % 2}_{index:06d}_000019"
        truth = save(folder / "labels" / f"city{index % 2}" / f"{stem}_gtFine_labelIds.png", label)
        files.append((save(folder / "predictions" / f"{stem}_x.png", np.where(right, label, wrong)), truth))
    return files


def official_scores(files, monkeypatch):
    for name, value in {"evalInstLevelScore": False, "JSONOutput": False, "quiet": True}.items():
        monkeypatch.setattr(official.args, name, value)
    return official.evaluateImgLists(
        *([str(path) for path in paths] for paths in zip(*files, strict=True)), official.args
    )


def test_equals_the_official_evaluator(tmp_path, monkeypatch):
    files = drawn_images(tmp_path, 5)
    expected = official_scores(files, monkeypatch)
    result = score("cityscapes", tmp_path / "predictions", tmp_path / "labels")
    assert result["images"] == 5
    assert_equal(result, expected)
    # Every rule matters: an absent class, one that is only predicted, void on both sides.
    assert result["iou"]["train"] is None
    assert result["iou"]["bus"] == 0
    counts = np.array(expected["confMatrix"])
    assert counts[VOID_IDS][:, CLASS_IDS].sum() > 100
    assert counts[CLASS_IDS][:, VOID_IDS].sum() > 100


def assert_equal(result, expected):
    assert result["miou"] == pytest.approx(expected["averageScoreClasses"], abs=1e-9, rel=0)
    ours = [np.nan if rate is None else rate for rate in result["iou"].values()]
    theirs = [expected["classScores"][name] for name in result["iou"]]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9, equal_nan=True)


def test_the_evaluation_of_a_trained_run_equals_the_official_evaluator(project, tmp_path, monkeypatch):
    study = load_study("toy")
    prepare_all(study.data)
    train(study, study.run("fcn_r50_fbnet"), 0, CPU)
    evaluate(study, study.run("fcn_r50_fbnet"), 0, CPU)
    network, _ = checkpoint.load(paths.checkpoint_file("toy", "fcn_r50_fbnet", 0))
    split = open_split(study.data, "val")
    files = []
    for index, name in enumerate(split.names):
        prediction = predict_labels(network, split.image(index), study.settings.evaluation, CPU)
        truth = next(study.data.raw_root.glob(f"val/gtFine/val/*/{name}_gtFine_labelIds.png"))
        files.append((save(tmp_path / f"{name}.png", CITYSCAPES.to_raw(prediction)), truth))
    metrics = json.loads(paths.metrics_file("toy", "fcn_r50_fbnet", 0).read_text())
    assert_equal(metrics, official_scores(files, monkeypatch))


@pytest.mark.skipif("CAMVID_ROOT" not in os.environ, reason="CAMVID_ROOT names no CamVid folder")
def test_real_streets_equal_the_official_evaluator(tmp_path, monkeypatch):
    """Real label maps in Cityscapes ids; the prediction of each is the next one, a few frames later."""
    same = {"pavement": "sidewalk", "tree": "vegetation", "sign": "traffic sign", "pedestrian": "person"}
    same |= {"bicyclist": "rider"}
    names = [same.get(name, name) for name in CAMVID.classes]
    raw = np.zeros(256, dtype=np.uint8)
    raw[: len(names)] = [CLASS_IDS[CITYSCAPES.classes.index(name)] for name in names]
    found = sorted((Path(os.environ["CAMVID_ROOT"]) / "testannot").glob("*.png"))[:25]
    maps = [raw[read_labels(path, CAMVID)] for path in found]
    files = []
    for index, (truth, prediction) in enumerate(pairwise(maps)):
        stem = f"cambridge_{index:06d}_000000"
        label = save(tmp_path / "labels" / f"{stem}_gtFine_labelIds.png", truth)
        files.append((save(tmp_path / "predictions" / f"{stem}.png", prediction), label))
    result = score("cityscapes", tmp_path / "predictions", tmp_path / "labels")
    expected = official_scores(files, monkeypatch)
    assert_equal(result, expected)
    assert result["iou"]["train"] is None
    counts = np.array(expected["confMatrix"])
    assert counts[VOID_IDS][:, CLASS_IDS].sum() > 100
    assert counts[CLASS_IDS][:, VOID_IDS].sum() > 100


def test_by_hand(folders):
    result = score("cityscapes", *folders)
    assert result["iou"]["road"] == pytest.approx(1 / 3)  # 1 right, 1 missed as void, 1 car taken for road
    assert result["iou"]["car"] == pytest.approx(1 / 2)
    assert result["iou"]["sky"] is None  # predicted only where the ground truth is void
    assert result["miou"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert result["f_miou"] == pytest.approx(1 / 2)
    assert result["pixel_accuracy"] == pytest.approx(2 / 4)


def test_camvid_by_hand(tmp_path):
    save(tmp_path / "labels" / "0001TP.png", [[0, 0, 8, 11]])
    save(tmp_path / "predictions" / "day" / "0001TP.png", [[0, 11, 8, 8]])
    result = score("camvid", tmp_path / "predictions", tmp_path / "labels")
    assert {name: rate for name, rate in result["iou"].items() if rate is not None} == {"sky": 0.5, "car": 1.0}
    assert result["pixel_accuracy"] == pytest.approx(2 / 3)


def test_nothing_but_void(folders):
    save(folders[1] / "ulm" / f"{STEM}_gtFine_labelIds.png", [[0, 1, 2, 3, 4]])
    result = score("cityscapes", *folders)
    assert result["miou"] is result["f_miou"] is result["pixel_accuracy"] is None


@pytest.mark.parametrize("suffix", ["", "_gtFine_labelIds", "_a_b_c", "-x"])
def test_any_suffix_of_a_prediction(folders, suffix):
    (folders[0] / f"{STEM}_pred.png").rename(folders[0] / f"{STEM}{suffix}.png")
    assert score("cityscapes", *folders)["images"] == 1


def missing_folder(predictions, labels):
    (predictions / f"{STEM}_pred.png").unlink()
    predictions.rmdir()


def no_predictions(predictions, labels):
    (predictions / f"{STEM}_pred.png").unlink()


def no_labels(predictions, labels):
    (labels / "ulm" / f"{STEM}_gtFine_labelIds.png").unlink()


def a_label_alone(predictions, labels):
    save(labels / "ulm" / "ulm_000001_000019_gtFine_labelIds.png", [[0]])


def a_prediction_alone(predictions, labels):
    save(predictions / "ulm_000001_000019.png", [[0]])
    save(predictions / "ulm_000002_000019.png", [[0]])


def two_predictions(predictions, labels):
    save(predictions / "again" / f"{STEM}.png", [[0]])


def another_name(predictions, labels):
    save(predictions / "ulm_19.png", [[0]])


def another_size(predictions, labels):
    save(predictions / f"{STEM}_pred.png", np.zeros((4, 3)))


def an_unknown_id(predictions, labels):
    save(predictions / f"{STEM}_pred.png", [[7, 7, 7, 34, 255]])


def colours(predictions, labels):
    save(predictions / f"{STEM}_pred.png", np.zeros((1, 5, 3)))


def a_truncated_file(predictions, labels):
    noise = np.random.default_rng(0).integers(0, 34, (64, 64))
    path = save(predictions / f"{STEM}_pred.png", noise)
    path.write_bytes(path.read_bytes()[:-900])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing_folder, "predictions: no such folder; name a folder of *.png"),
        (no_predictions, "predictions: holds no *.png; name"),
        (no_labels, r"labels: holds no (.+)_gtFine_labelIds\.png; name"),
        (a_label_alone, "ulm_000001_000019_gtFine_labelIds.png: has no prediction; add"),
        (a_prediction_alone, "ulm_000001_000019.png: has no ground truth (and 1 more); add"),
        (two_predictions, f"predictions/{STEM}_pred.png: has the same name as "),
        (another_name, "predictions/ulm_19.png: is not named like a file of cityscapes ("),
        (another_size, f"{STEM}_pred.png: prediction and ground truth differ in size (3 x 4 and 5 x 1); resize"),
        (an_unknown_id, f"{STEM}_pred.png: label value 34, 255 out of range; cityscapes has ids 0 to 33"),
        (colours, f"{STEM}_pred.png: mode RGB; a label map has one channel"),
        (a_truncated_file, f"{STEM}_pred.png: truncated or damaged"),
    ],
)
def test_bad_input(folders, damage, message):
    damage(*folders)
    with pytest.raises(InputError) as error:
        score("cityscapes", *folders)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def command(folders, *arguments, dataset="cityscapes"):
    predictions, labels = map(str, folders)
    return fbnet("score", "--dataset", dataset, "--predictions", predictions, "--labels", labels, *arguments)


def test_command_as_json(folders):
    result = command(folders, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == score("cityscapes", *folders)


def test_command_as_a_table(folders):
    lines = command(folders).stdout.splitlines()
    rows = {line.rsplit(maxsplit=1)[0]: line.split()[-1] for line in lines}
    assert rows["road"] == "33.33"
    assert rows["train"] == "–"
    assert rows["mIoU"] == "41.67"
    assert lines[-1] == "images: 1"


def test_command_refuses_bad_input_in_one_line(folders):
    no_labels(*folders)
    assert r"labels: holds no (.+)_gtFine_labelIds\.png; name" in refused(command(folders))


class TestOwnData:
    """Label maps of RGB colours, paired as the description of the data set says."""

    @pytest.fixture
    def truth(self, project):
        describe(Path())
        return make_streets(Path("streets"), train=1, val=2)

    def predict(self, truth, pattern):
        palette = np.array(list(COLOURS.values()))
        for name, ids in truth.items():
            if name.startswith("val"):
                save(Path("predictions", pattern.format(name)), palette[np.where(ids == 0, 1, ids)])

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("{}.png", {}),
            ("{}.png", {"image": r"(.+)\.png"}),
            ("{}.png", {"label": r"(val_\d+)\.png"}),
            ("deep/{}_x.png", {"prediction": r"(val_\d+).*"}),
        ],
    )
    def test_by_hand(self, truth, pattern, names):
        describe(Path(), names=names)
        self.predict(truth, pattern)
        result = score("streets", Path("predictions"), Path("streets/labels/val"))
        ids = np.stack([ids for name, ids in truth.items() if name.startswith("val")])
        right = [0, (ids == 1).sum() / (ids <= 1).sum(), 1, 1, 1]
        assert list(result["iou"].values()) == pytest.approx(right)
        assert (result["images"], result["f_miou"]) == (2, 1)
        assert result["miou"] == pytest.approx(np.mean(right))

    def test_an_unknown_colour(self, truth):
        self.predict(truth, "{}.png")
        save(Path("predictions/val_001.png"), np.full((64, 96, 3), 7))
        with pytest.raises(InputError, match=r"predictions/val_001.png: colour \[7, 7, 7\] at row 0, column 0"):
            score("streets", Path("predictions"), Path("streets/labels/val"))

    @pytest.mark.parametrize(
        ("dataset", "message"),
        [
            ("kitti", "--dataset: no 'kitti'; choose from synthetic"),
            (
                "mapillary",
                "--dataset: mapillary cannot be scored; choose from cityscapes, cityscapes_coarse, camvid, streets",
            ),
        ],
    )
    def test_other_data_sets(self, truth, dataset, message):
        assert message in refused(command((Path("a"), Path("b")), dataset=dataset))
