"""Checkpoints from elsewhere: their configuration and their weights."""

import zipfile
from pathlib import Path

import pytest
import torch

from fbnet.config.dataset_files import find_dataset
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.models import checkpoint
from fbnet.models.backbones.resnet import ResNet
from fbnet.models.build import build
from fbnet.models.pretrained import load_initial_weights
from tests.own_data import COLOURS, describe
from tests.test_cli import fbnet, refused

WIDTH = 0.0625
STEM = "backbone.stem.0.weight"


class Harmful:
    """Create a file when unpickled by a reader that calls what a pickle names."""

    def __reduce__(self):
        return open, ("harm", "w")


@pytest.fixture
def content(project):
    """Content of a checkpoint of an untrained network."""
    study = load_study("toy")
    run = study.run("fcn_r50")
    config = checkpoint.CheckpointConfig(
        study="toy", run=run, seed=0, dataset="synthetic", width=WIDTH, training=study.training_of("fcn_r50"),
        iterations=2, torch_version="2",
    )  # fmt: skip
    state = build(run, CITYSCAPES, width=WIDTH).state_dict()
    return {"format": checkpoint.FORMAT, "config": config.model_dump(), "state": state}


def load(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    return checkpoint.load(tmp_path / "model.pt")


def test_one_of_ours(tmp_path, content):
    network, config = load(tmp_path, content)
    assert torch.equal(network.state_dict()[STEM], content["state"][STEM])
    assert config.dataset == "synthetic"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("dataset", "kitti", "dataset: no 'kitti'; choose from synthetic,"),
        ("width", 1000.0, "width: must be less than or equal to 4"),
        ("width", -1.0, "width: must be greater than 0"),
        ("width", float("nan"), "width: must be a finite number"),
        ("seed", -1, "seed: must be greater than or equal to 0"),
        ("study", "../x", "study: must match pattern"),
        ("run", None, "run: must hold keys and values"),
        ("torch_version", [1], "torch_version: must be of type string"),
    ],
)
def test_a_configuration_that_is_none_of_ours(tmp_path, content, key, value, message):
    content["config"][key] = value
    with pytest.raises(InputError) as raised:
        load(tmp_path, content)
    assert str(raised.value).startswith(f"{tmp_path}/model.pt: {message}")


def not_finite(state):
    state[STEM][0, 0, 0, 0] = float("inf")


def negative_variance(state):
    state["backbone.stem.1.running_var"][2] = -0.5


WEIGHTS = {
    "one is missing": (lambda state: state.pop(STEM), "weights do not fit the run that it names, see"),
    "one too many": (lambda state: state.update(x=torch.zeros(1)), "weights do not fit .*, see x;"),
    "another shape": (
        lambda state: state.update({STEM: state[STEM][:1].clone()}),
        f"weights do not fit .*, see {STEM};",
    ),
    "half precision": (lambda state: state.update({STEM: state[STEM].half()}), f"weights do not fit .*, see {STEM};"),
    "not finite": (not_finite, f"{STEM} holds values that are not finite"),
    "a negative variance": (negative_variance, r"backbone\.stem\.1\.running_var holds a negative variance"),
    "no tensor": (lambda state: state.update({STEM: [1.0]}), "holds more than weights by name"),
    "no name": (lambda state: state.update({3: torch.zeros(1)}), "holds more than weights by name"),
    "sparse": (lambda state: state.update({STEM: torch.zeros(3, 3).to_sparse()}), "(holds other|no readable)"),
    "without values": (lambda state: state.update({STEM: torch.zeros(3, device="meta")}), "holds other tensors"),
    "a terabyte": (
        lambda state: state.update({STEM: torch.zeros(1).expand(2**19, 2**19)}),
        "claims more weights than it holds",
    ),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_do_not_fit(tmp_path, content, case):
    spoil, message = WEIGHTS[case]
    spoil(content["state"])
    with pytest.raises(InputError, match=rf"model\.pt: {message}.*train this run again"):
        load(tmp_path, content)


@pytest.mark.parametrize("content", [[1], {}, "text", {"format": 1, "config": {}}, torch.zeros(3)])
def test_other_contents(tmp_path, content):
    with pytest.raises(InputError, match=r"model\.pt: no readable checkpoint; train"):
        load(tmp_path, content)


@pytest.mark.parametrize("number", [2, "1", None, torch.zeros(3)])
def test_another_format(tmp_path, content, number):
    with pytest.raises(InputError, match=r"model\.pt: has another format than 1; train this run again"):
        load(tmp_path, content | {"format": number})


def test_what_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"no readable checkpoint \(not a file\)"):
        checkpoint.load(tmp_path)


def test_a_compressed_one_is_not_unpacked(tmp_path, content):
    """A gigabyte of zeros compresses to a megabyte."""
    torch.save(content, tmp_path / "stored.pt")
    packed = zipfile.ZipFile(tmp_path / "model.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "stored.pt") as stored, packed:
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    with pytest.raises(InputError, match=r"no readable checkpoint \(compressed\)"):
        checkpoint.load(tmp_path / "model.pt")


@pytest.mark.parametrize("new", [True, False], ids=["zip", "older"])
def test_nothing_harmful_is_run(tmp_path, monkeypatch, content, new):
    """From neither a checkpoint nor initial weights, in torch's current format or the old one."""
    monkeypatch.chdir(tmp_path)
    for harmful in (content | {"config": Harmful()}, content | {"state": {STEM: Harmful()}}, Harmful()):
        torch.save(harmful, "model.pt", _use_new_zipfile_serialization=new)
        with pytest.raises(InputError, match=r"^model\.pt: no readable checkpoint") as raised:
            checkpoint.load(tmp_path.relative_to(tmp_path) / "model.pt")
        assert "\n" not in str(raised.value)
        with pytest.raises(InputError, match=r"^model\.pt: no readable weights"):
            load_initial_weights(ResNet("resnet50", width=WIDTH), tmp_path.relative_to(tmp_path) / "model.pt")
    assert not (tmp_path / "harm").exists()
    torch.load("model.pt", weights_only=False)  # it is harmful
    assert (tmp_path / "harm").exists()


def test_as_a_user_sees_it(project, tmp_path):
    torch.save({"format": 1, "config": Harmful(), "state": {}}, "model.pt")
    line = refused(fbnet("predict", "--checkpoint", "model.pt", "--output", "out", "params"))
    assert line.startswith("fbnet: params: holds no image")
    (tmp_path / "a.png").touch()
    line = refused(fbnet("predict", "--checkpoint", "model.pt", "--output", "out", "a.png"))
    assert line.startswith("fbnet: model.pt: no readable checkpoint (UnpicklingError); train this run again")
    assert not (tmp_path / "harm").exists()


def test_initial_weights_are_finite(tmp_path):
    backbone = ResNet("resnet50", width=WIDTH)
    state = {"conv1.weight": torch.full((4, 3, 3, 3), float("nan"))}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"w\.pth: conv1\.weight holds values that are not finite"):
        load_initial_weights(backbone, tmp_path / "w.pth")


class TestOwnData:
    """Networks for data sets of one's own carry their classes, others the name of a built-in data set as ever."""

    def test_built_in_ones_are_named_only(self, tmp_path, content):
        network, config = load(tmp_path, content)
        checkpoint.save(tmp_path / "saved.pt", network, config)
        assert "label_set" not in torch.load(tmp_path / "saved.pt", weights_only=True)["config"]

    def test_classes_travel_with_the_checkpoint(self, tmp_path, content, project):
        describe(Path())
        entry = find_dataset("streets")
        config = checkpoint.CheckpointConfig.model_validate(
            content["config"] | {"dataset": "streets", "label_set": entry.label_set}
        )
        checkpoint.save(tmp_path / "own.pt", build(config.run, config.labels, width=config.width), config)
        Path("params/datasets/streets.yaml").unlink()
        network, loaded = checkpoint.load(tmp_path / "own.pt")
        assert loaded.labels == entry.labels
        assert network(torch.zeros(1, 3, 32, 32))["out"].shape[1] == len(COLOURS)

    def test_damaged_classes_are_refused(self, tmp_path, content, project):
        describe(Path())
        label_set = find_dataset("streets").label_set | {"foreground": ("kerb",)}
        content["config"] |= {"dataset": "streets", "label_set": label_set}
        with pytest.raises(InputError, match=r"label_set\.foreground: no class 'kerb'"):
            load(tmp_path, content)
