"""Tests of the folder for a release: by reading it back, and by numbers of three seeds that are worked out by hand."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.models import checkpoint, safetensors_file
from fbnet.models.build import build
from fbnet.provenance import graph
from fbnet.provenance.recording import recording
from fbnet.report import model_card
from tests.conftest import EVERYTHING
from tests.made_up_results import write_metrics, write_samples
from tests.test_cli import fbnet, refused

RUN, BASELINE = "fcn_r50_fbnet", "fcn_r50"
PUBLISH = ("publish", "--study", "toy", "--run", RUN, "--output", "released")
pytest.importorskip("safetensors", reason="the extra export is not installed")


def save(study, run=RUN, seed=0):
    """Save a random network as if it had been trained, with its record."""
    torch.manual_seed(seed)
    config = checkpoint.CheckpointConfig(
        study=study.name,
        run=study.run(run),
        seed=seed,
        dataset=study.data_of(run).dataset,
        width=study.settings.width,
        training=study.training_of(run),
        iterations=7,
        torch_version="",
    )
    network = build(study.run(run), config.labels, width=config.width)
    with recording(graph.build_graph(study), graph.of_run("train", run, seed)):
        checkpoint.save(paths.checkpoint_file(study.name, run, seed), network, config)


def evaluate(study, run, seed, **numbers):
    """Write metrics and samples of these numbers, with their record."""
    labels = [np.full((16, 32), index, dtype=np.uint8) for index in range(5)]
    with recording(graph.build_graph(study), graph.of_run("evaluate", run, seed)):
        write_metrics(study, run, seed, **numbers)
        write_samples(study, run, seed, predictions=labels[::-1], labels=labels)


@pytest.fixture
def study(project):
    """The study `toy`, with two seeds of a run and its baseline."""
    study = load_study("toy")
    for run in (BASELINE, RUN):
        for seed in (0, 1):
            save(study, run, seed)
    return study


@pytest.fixture
def evaluated(study):
    for run, mious in ((BASELINE, (0.40, 0.42)), (RUN, (0.45, 0.50))):
        for seed, miou in enumerate(mious):
            evaluate(study, run, seed, miou=miou, f_miou=0.25, iou={"pole": 0.04})
    return study


def card():
    return Path("released/README.md").read_text(encoding="utf-8")


def row(name):
    (line,) = (line for line in card().splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_weights_and_configuration_rebuild_the_network(evaluated):
    assert fbnet(*PUBLISH).returncode == 0
    names = {path.name for path in Path("released").iterdir()}
    assert names == {"README.md", "config.json", "model.safetensors", "sample.png"}
    found, config = checkpoint.load(Path("released/model.safetensors"))
    expected, original = checkpoint.load(paths.checkpoint_file("toy", RUN, 0))
    assert config == original
    assert list(found.state_dict()) == list(expected.state_dict())
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in expected.state_dict().items())
    classes = json.loads(Path("released/config.json").read_text())["classes"]
    assert [entry["name"] for entry in classes] == list(config.labels.classes)


def test_other_programs_read_the_weights(evaluated):
    fbnet(*PUBLISH)
    script = (
        "from safetensors.numpy import load_file; "
        "print(len(load_file('released/model.safetensors')), 'torch' in __import__('sys').modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    count = len(checkpoint.load(paths.checkpoint_file("toy", RUN, 0))[0].state_dict())
    assert result.stdout.split() == [str(count), "False"]


def test_numbers_are_those_of_the_tables(evaluated):
    """Mean and sample standard deviation over seeds, gains with the interval of the paired t-test."""
    fbnet(*PUBLISH)
    assert row("mIoU") == ["45.0", f"47.5 ± {statistics.stdev([45, 50]):.1f}", "2"]
    half_width = 12.706 * statistics.stdev([5, 8]) / 2**0.5  # t of one degree of freedom
    ends = ", ".join(f"{6.5 + sign * half_width:+.1f}".replace("-", "−") for sign in (-1, 1))
    assert row("mIoU gain") == ["–", f"+6.5 ± {statistics.stdev([5, 8]):.1f} [{ends}]", "2"]
    assert row("f-mIoU") == ["25.0", "25.0 ± 0.0", "2"]
    assert row("GFLOPs") == ["10.00", "–", "–"]
    poles = next(line for line in card().splitlines() if "| pole |" in line)
    assert poles == "| 5 | pole | `#999999` | yes | 4.0 | 4.0 ± 0.0 |"


def test_card_says_where_it_comes_from(evaluated):
    fbnet(*PUBLISH)
    text = card()
    _, front, _ = text.split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "fbnet"
    record = json.loads(paths.provenance_file("toy", "train", f"{RUN}/seed0").read_text())
    (digest,) = record["outputs"].values()
    for expected in (
        digest,
        record["started"],
        f"`{RUN}`",
        "7 iterations",
        "demonstration numbers",
        "MIT",
        "hardly finds pole:",
    ):
        assert expected in text
    assert "| synthetic | train |" in text
    assert "| synthetic | val |" in text


def test_picture_of_samples(evaluated):
    fbnet(*PUBLISH)
    with Image.open("released/sample.png") as picture:
        assert picture.width == 1440
        assert picture.format == "PNG"


def test_equal_results_make_equal_cards(evaluated):
    run = evaluated.run(RUN)
    first, second = (model_card.make_card(evaluated, run, 0, iterations=1, parameters=2) for _ in range(2))
    assert first == second


def test_without_labelled_images_there_are_no_numbers(project):
    project.write_study(**{key: EVERYTHING[key] for key in ("data", "recipes", "multi_scale", "tables")})
    study, run = load_study("toy"), "deeplabv3plus_r101_fbnet_trainval"
    save(study, run)
    made = model_card.make_card(study, study.run(run), 0, iterations=1, parameters=2)
    assert made.picture is None
    assert "no labelled images were left" in made.text
    assert "| synthetic | val | 2 | training |" in made.text
    made.write(Path("released"))
    assert [path.name for path in Path("released").iterdir()] == ["README.md"]


def test_score_of_the_test_server(project, monkeypatch):
    project.write_study(**{key: EVERYTHING[key] for key in ("data", "recipes", "multi_scale", "tables")})
    study, run = load_study("toy"), "deeplabv3plus_r101_fbnet_trainval"
    save(study, run)
    monkeypatch.setattr(model_card, "read_server_scores", lambda _study: {run: {0: 80.1}})  # of real Cityscapes only
    made = model_card.make_card(study, study.run(run), 0, iterations=1, parameters=2)
    assert "returned a mIoU of 80.1 %" in made.text


class TestRefused:
    def refused(self, message):
        assert message in refused(fbnet(*PUBLISH))
        assert not Path("released").exists()

    def test_not_trained(self, project):
        self.refused("model.pt: not there; train this run first")

    def test_not_evaluated(self, study):
        self.refused("metrics.json: no such file; make it: fbnet evaluate --study toy")

    def test_without_record(self, evaluated):
        paths.provenance_file("toy", "train", f"{RUN}/seed0").unlink()
        self.refused("nobody knows what results/toy/runs/fcn_r50_fbnet/seed0/model.pt was made from; train again")

    def test_another_checkpoint_than_recorded(self, evaluated):
        other = paths.checkpoint_file("toy", RUN, 1)
        paths.checkpoint_file("toy", RUN, 0).write_bytes(other.read_bytes())
        self.refused("seed0/model.pt: is not the file that its record names")

    def test_metrics_of_another_checkpoint(self, evaluated):
        torch.manual_seed(5)
        path = paths.checkpoint_file("toy", RUN, 0)
        network, config = checkpoint.load(path)
        torch.nn.init.ones_(network.backbone.res5[0].bn3.weight)
        with recording(graph.build_graph(evaluated), graph.of_run("train", RUN, 0)):
            checkpoint.save(path, network, config)
        self.refused("metrics.json: not recorded as metrics of this checkpoint; evaluate again")

    def test_folder_that_is_there(self, evaluated):
        Path("released").mkdir()
        Path("released/mine.txt").write_text("mine")
        assert "released: already there" in refused(fbnet(*PUBLISH))
        assert Path("released/mine.txt").read_text() == "mine"


class TestDamaged:
    @pytest.fixture
    def weights(self, study):
        network, config = checkpoint.load(paths.checkpoint_file("toy", RUN, 0))
        checkpoint.publish(Path("released"), network, config, {})
        return Path("released") / safetensors_file.WEIGHTS

    def test_no_configuration(self, weights):
        weights.with_name("config.json").unlink()
        with pytest.raises(InputError, match=r"config\.json: not there; download both files again"):
            checkpoint.load(weights)

    @pytest.mark.parametrize("content", ["[1]", "{", '{"format": 1}'])
    def test_configuration(self, weights, content):
        weights.with_name("config.json").write_text(content)
        with pytest.raises(InputError, match="released/"):
            checkpoint.load(weights)

    @pytest.mark.parametrize("size", [0, 4, 1000, -100])
    def test_weights(self, weights, size):
        weights.write_bytes(weights.read_bytes()[:size])
        with pytest.raises(InputError, match=r"model\.safetensors: no readable weights"):
            checkpoint.load(weights)

    def test_weights_of_another_run(self, weights):
        described = json.loads(weights.with_name("config.json").read_text())
        described["config"]["run"]["head"] = "pspnet"
        weights.with_name("config.json").write_text(json.dumps(described))
        with pytest.raises(InputError, match="weights do not fit the run that it names"):
            checkpoint.load(weights)
