"""Every declared run is trained and evaluated at toy size; failures leave earlier results untouched."""

import contextlib
import csv
import json
import shutil

import numpy as np
import pytest
import torch

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs, load_study
from fbnet.config.registry import backbone_entry
from fbnet.config.training import TrainingConfig
from fbnet.data.centroids import write_centroids
from fbnet.data.packed import open_split
from fbnet.errors import InputError
from fbnet.evaluation.evaluate import evaluate
from fbnet.models import checkpoint
from fbnet.training import train
from fbnet.training.history import History
from fbnet.training.trainer import poly_learning_rate
from tests.conftest import EVERYTHING, ROOT, TRAIN, Project, prepare_all

CPU = torch.device("cpu")
RUNS = {name: run for name, run in load_runs().runs.items() if backbone_entry(run.backbone).has_width}
ARCHITECTURES = {(run.head, run.backbone, bool(run.balance.stages)): name for name, run in reversed(RUNS.items())}
EVERY_RUN = [name if name in ARCHITECTURES.values() else pytest.param(name, marks=pytest.mark.slow) for name in RUNS]
"""All runs; those of an architecture that another one has are slow."""
PLAIN = TrainingConfig(crop=(16, 24), batch_size=2, epochs=1, learning_rate=0.1)


@pytest.fixture
def study(project):
    study = load_study("toy")
    prepare_all(study.data)
    return study


@pytest.fixture(scope="module")
def all_data(tmp_path_factory):
    """Every data set of EVERYTHING with its centroids, prepared once; nothing here changes them."""
    folder = tmp_path_factory.mktemp("all")
    shutil.copytree(ROOT / "params", folder / "params")
    with contextlib.chdir(folder):
        Project().write_study(**EVERYTHING)
        study = load_study("toy")
        for data in study.settings.data.values():
            prepare_all(data)
        for role, split, tile in {part for run in study.runs for part in study.centroids_of(run)}:
            write_centroids(study.role(role), split, tile)
    return folder / paths.DATA


@pytest.fixture
def everything(project, all_data):
    """A study with every data set and recipe, and so with every run."""
    project.write_study(**EVERYTHING)
    paths.DATA.symlink_to(all_data)
    study = load_study("toy")
    assert set(study.runs) == set(RUNS)
    return study


def trained(study, run="fcn_r50_fbnet", seed=0):
    train.train(study, study.runs[run], seed, CPU)
    return paths.checkpoint_file("toy", run, seed)


@pytest.mark.parametrize("run", EVERY_RUN)
def test_every_run_steps_and_is_evaluated(everything, run):
    study, data = everything, everything.data_of(run)
    for link in study.ancestors(run):
        trained(study, link)
    if not study.runs[run].evaluated:
        with pytest.raises(InputError, match=f"{run}: no labelled images are left to evaluate it on"):
            evaluate(study, study.runs[run], 0, CPU)
        return
    evaluate(study, study.runs[run], 0, CPU)
    metrics = json.loads(paths.metrics_file("toy", run, 0).read_text())
    assert (metrics["study"], metrics["run"], metrics["seed"]) == ("toy", run, 0)
    assert (metrics["dataset"], metrics["split"], metrics["images"]) == (data.dataset, "val", 2)
    confusion = np.array(metrics["confusion_matrix"])
    split = open_split(data, "val")
    labelled = sum((split.labels(index) != 255).sum() for index in range(2))
    assert confusion.sum() == labelled
    assert set(metrics["iou"]) == set(CITYSCAPES.classes)
    iou = [value for value in metrics["iou"].values() if value is not None]
    assert metrics["miou"] == pytest.approx(np.mean(iou))
    assert metrics["iterations"] == 2
    samples = np.load(paths.samples_file("toy", run, 0))
    assert samples["image_1"].shape == (*split.sizes[1], 3)
    assert samples["label_1"].shape == samples["prediction_1"].shape == split.sizes[1]
    modulated = bool(RUNS[run].balance.stages) and RUNS[run].balance.modulator != "none"
    assert ("balance_0" in samples) == modulated


def test_an_evaluation_with_mirrored_scores_is_two_in_one(project):
    project.write_study()
    study = load_study("toy")
    prepare_all(study.data)
    trained(study)

    def metrics(**settings):
        project.write_study(**settings)
        again = load_study("toy")
        evaluate(again, again.runs["fcn_r50_fbnet"], 0, CPU)
        return json.loads(paths.metrics_file("toy", "fcn_r50_fbnet", 0).read_text())

    plain, mirrored = metrics(), metrics(evaluation__mirror=True)
    both = metrics(evaluation__also_mirrored=True)
    assert "mirrored" not in plain
    assert both["confusion_matrix"] == plain["confusion_matrix"]
    assert both["mirrored"] == {key: mirrored[key] for key in both["mirrored"]}
    assert both["mirrored"]["confusion_matrix"] != plain["confusion_matrix"]


class TestChains:
    PARENT, CHILD = "deeplabv3plus_wrn38_mapillary", "deeplabv3plus_wrn38_fbnet"

    def test_a_child_starts_from_its_parent(self, everything, monkeypatch):
        """Before its first step the child's backbone and head are the parent's."""
        parent, _ = checkpoint.load(trained(everything, self.PARENT))
        seen = []

        class Untrained:
            iterations = 0

            def __init__(self, network, *_):
                seen.append(network)

            def fit(self, _workers):
                return History(1, 1, "")

        monkeypatch.setattr(train, "Trainer", Untrained)
        trained(everything, self.CHILD)
        ours = seen[0].state_dict()
        theirs = parent.state_dict()
        assert set(theirs) == {name for name in ours if not name.startswith("balance.")}
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())

    def test_a_parent_that_is_not_trained(self, everything):
        with pytest.raises(InputError, match=r"deeplabv3plus_wrn38_mapillary/seed0/model\.pt: not there"):
            trained(everything, self.CHILD)

    def test_fine_and_coarse_and_val(self, everything):
        run = everything.runs[self.CHILD + "_trainval"]
        samples = train.open_samples(everything, run, 0)
        # 4 of train, 2 of val, 3 coarse ones, of which an epoch passes over the fine ones only
        assert (len(samples.split), samples.num_uniform) == (9, 6)
        coarse = samples.centroids[samples.centroids["image"] >= 6]
        boosted = {CITYSCAPES.classes.index(name) for name in run.coarse_classes}
        assert set(coarse["train_id"].tolist()) <= boosted
        assert len(train.open_samples(everything, everything.runs[self.CHILD], 0).split) == 7


def test_poly_schedule(study):
    training = study.settings.training.model_copy(update={"learning_rate": 0.01})
    assert poly_learning_rate(training, 0, 100) == 0.01
    assert poly_learning_rate(training, 50, 100) == pytest.approx(0.01 * 0.5**0.9)
    assert poly_learning_rate(training, 99, 100) == pytest.approx(0.01 * 0.01**0.9)


def test_history(project):
    project.write_study(training__epochs=3)
    study = load_study("toy")
    prepare_all(study.data)
    trained(study)
    with paths.history_file("toy", "fcn_r50_fbnet", 0).open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["iteration"]) for row in rows] == [("1", "2"), ("2", "4"), ("3", "6")]
    for row in rows:
        rate = 0.01 * (1 - (int(row["iteration"]) - 1) / 6) ** 0.9
        assert float(row["learning_rate"]) == pytest.approx(rate, rel=1e-5)
        total = float(row["segmentation_loss"]) + float(row["balance_loss"])
        assert float(row["loss"]) == pytest.approx(total, rel=1e-4)
        assert float(row["balance_loss"]) > 0


def test_same_seed_same_weights_other_seed_others(study):
    states = []
    for seed in (0, 0, 1):
        states.append(checkpoint.load(trained(study, seed=seed))[0].state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not all(torch.equal(value, states[2][name]) for name, value in states[0].items())


RECIPE = {
    "training__ohem": {"threshold": 0.7, "min_kept": 100},
    "training__class_weights": [1.0 + 0.1 * index for index in range(19)],
    "training__class_uniform": {"tile": {"cityscapes": 64}},
    "training__photometric": {},
    "training__precision": "bfloat16",
}


def test_the_whole_recipe_steps_and_is_logged(project, caplog):
    caplog.set_level("INFO")
    project.write_study(**RECIPE)
    study = load_study("toy")
    prepare_all(study.data)
    labels = np.load(paths.array_file(TRAIN, "labels"), mmap_mode="r+")
    labels[np.isin(labels, (3, 16))] = 255  # these scenes have all classes
    labels.flush()
    write_centroids(study.data, "train", 64)
    path = trained(study)
    lines = [line for line in caplog.messages if "training in" in line]
    assert lines == [
        "fcn_r50_fbnet seed 0: training in bfloat16 on cpu with "
        "OHEM (probability below 0.7, at least 100 pixels an image); class weights; "
        "class-uniform sampling (0.5 of the samples, tiles of 64); "
        "colour jitter of 0.25 and Gaussian blur of standard deviation 0.15 to 1.3; "
        "classes absent from the data: wall, train"
    ]
    assert checkpoint.load(path)[1].training == study.settings.training
    evaluate(study, study.runs["fcn_r50_fbnet"], 0, CPU)
    metrics = json.loads(paths.metrics_file("toy", "fcn_r50_fbnet", 0).read_text())
    assert metrics["training"]["class_uniform"] == {"tile": {"cityscapes": 64}, "fraction": 0.5, "epochs": None}


def test_class_uniform_sampling_needs_centroids(project):
    project.write_study(training__class_uniform={"tile": {"cityscapes": 64}})
    study = load_study("toy")
    prepare_all(study.data)
    with pytest.raises(InputError, match=r"centroids_64\.npy: not there; .*`fbnet centroids`"):
        trained(study)


def test_training_lowers_the_loss(project):
    project.write_study(training__epochs=25, training__learning_rate=0.05, width=0.125)
    study = load_study("toy")
    prepare_all(study.data)
    trained(study, "fcn_r50_fbnet")
    with paths.history_file("toy", "fcn_r50_fbnet", 0).open() as file:
        rows = list(csv.DictReader(file))
    for loss in ("segmentation_loss", "balance_loss"):
        assert float(rows[-1][loss]) < 0.6 * float(rows[0][loss])


class TestCheckpoint:
    def test_rebuilds_the_network(self, study):
        path = trained(study)
        network, config = checkpoint.load(path)
        assert config.run == study.runs["fcn_r50_fbnet"]
        assert (config.study, config.seed, config.dataset, config.width) == ("toy", 0, "synthetic", 0.0625)
        assert config.iterations == 2
        images = torch.randn(1, 3, 32, 32)
        again, _ = checkpoint.load(path)
        assert torch.equal(network(images)["out"], again(images)["out"])

    def test_missing(self, study):
        with pytest.raises(InputError, match=r"model\.pt: not there; .*fbnet train"):
            evaluate(study, study.runs["fcn_r50"], 0, CPU)

    @pytest.mark.parametrize("content", [b"", b"no checkpoint", "truncated"])
    def test_damaged(self, study, content):
        path = trained(study)
        path.write_bytes(path.read_bytes()[:5000] if content == "truncated" else content)
        with pytest.raises(InputError, match=r"model\.pt: no readable checkpoint"):
            checkpoint.load(path)

    def test_no_pickle_runs_code(self, tmp_path):
        class Malicious:
            def __reduce__(self):
                return (open, (str(tmp_path / "harm"), "w"))

        torch.save({"format": 1, "config": Malicious(), "state": {}}, tmp_path / "model.pt")
        with pytest.raises(InputError, match="no readable checkpoint"):
            checkpoint.load(tmp_path / "model.pt")
        assert not (tmp_path / "harm").exists()

    def test_older_than_a_parameter(self, project, study):
        path = trained(study)
        content = torch.load(path, weights_only=True)
        for key in ("ohem", "class_weights", "class_uniform", "photometric"):
            assert content["config"]["training"].pop(key) is None
        torch.save(content, path)
        evaluate(study, study.runs["fcn_r50_fbnet"], 0, CPU)
        project.write_study(training__ohem={})
        with pytest.raises(InputError, match=r"model\.pt: trained with parameters other"):
            evaluate(load_study("toy"), study.runs["fcn_r50_fbnet"], 0, CPU)

    def test_of_other_parameters(self, project, study):
        trained(study)
        project.write_study(training__learning_rate=0.02)
        with pytest.raises(InputError, match=r"model\.pt: trained with parameters other"):
            evaluate(load_study("toy"), study.runs["fcn_r50_fbnet"], 0, CPU)


class TestNothingIsOverwritten:
    def files(self):
        names = (paths.checkpoint_file, paths.history_file)
        return [name("toy", "fcn_r50_fbnet", 0).read_bytes() for name in names]

    def test_by_a_loss_that_is_not_finite(self, project, study):
        trained(study)
        before = self.files()
        project.write_study(training__learning_rate=1e30, training__epochs=20)
        diverging = load_study("toy")
        with pytest.raises(InputError) as raised:
            trained(diverging)
        message = str(raised.value)
        assert message.startswith("fcn_r50_fbnet seed 0: the loss is ")
        assert sum(name in message for name in open_split(study.data, "train").names) == 2  # the batch's images
        assert "lower training.learning_rate" in message
        assert "\n" not in message
        assert self.files() == before

    def test_by_a_batch_larger_than_the_data(self, project, study):
        trained(study)
        before = self.files()
        project.write_study(training__batch_size=5)
        with pytest.raises(InputError, match=r"training\.batch_size: 5 images a batch, but split 'train' has 4"):
            trained(load_study("toy"))
        assert self.files() == before
