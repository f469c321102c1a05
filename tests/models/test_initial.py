"""Initial weights in the layout of MIT CSAIL's deep-stem classifiers, made here from a network of our own."""

import re

import pytest
import torch

from fbnet.config import load_study
from fbnet.data.pack import prepare
from fbnet.errors import InputError
from fbnet.models.initial import load_initial_weights
from fbnet.models.resnet import ResNet
from fbnet.train import train

WIDTH = 0.0625
# Written out by hand, so that the renaming is not tested against itself.
STEM = {"stem.0": "conv1", "stem.1": "bn1", "stem.3": "conv2", "stem.4": "bn2", "stem.6": "conv3", "stem.7": "bn3"}
STAGES = {"res2": "layer1", "res3": "layer2", "res4": "layer3", "res5": "layer4"}


def published(backbone):
    """A backbone's weights as the published files name them, with a classifier and without batch counters."""
    state = {}
    for name, value in backbone.state_dict().items():
        for ours, theirs in {**STEM, **STAGES}.items():
            if name.startswith(f"{ours}."):
                state[name.replace(ours, theirs, 1)] = value
    state = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    return state | {"fc.weight": torch.zeros(10, 4), "fc.bias": torch.zeros(10)}


def network(seed, backbone="resnet50"):
    torch.manual_seed(seed)
    network = ResNet(backbone, width=WIDTH)
    for name, value in network.named_buffers():
        if name.endswith("running_mean"):
            value.normal_()
    return network


@pytest.fixture
def path(tmp_path):
    return tmp_path / "resnet50-imagenet.pth"


@pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])
def test_every_weight_arrives(path, backbone):
    theirs, ours = network(0, backbone), network(1, backbone)
    torch.save(published(theirs), path)
    load_initial_weights(ours, path)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


def test_their_names_are_as_published(path):
    names = set(published(network(0)))
    assert {"conv1.weight", "bn3.running_var", "layer1.0.downsample.0.weight", "layer4.2.conv3.weight"} <= names


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("conv2.weight"), "has no weights stem.3.weight; it must be a ResNet with deep stem"),
        (lambda state: state.update({"layer5.weight": torch.zeros(1)}), "has unknown weights layer5.weight;"),
        (lambda state: state.update({"bn1.bias": torch.zeros(7)}), "has another shape of stem.1.bias;"),
        (lambda state: state.update({"epoch": 3}), "holds more than weights by name"),
    ],
)
def test_what_does_not_fit_is_refused(path, spoil, message):
    state = published(network(0))
    spoil(state)
    torch.save(state, path)
    ours = network(1)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    with pytest.raises(InputError, match=re.escape(message)):
        load_initial_weights(ours, path)
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())


def test_another_depth(path):
    torch.save(published(network(0, "resnet101")), path)
    with pytest.raises(InputError, match=r"has unknown weights res4\.10\.bn1\.bias, .* and \d+ more"):
        load_initial_weights(network(1), path)


@pytest.mark.parametrize(("content", "message"), [(None, "not there"), (b"nothing", "no readable weights")])
def test_no_weights(path, content, message):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_initial_weights(network(0), path)


def test_training_starts_from_them(project):
    """With a rate of next to nothing, the trained backbone is the initial one."""
    files = {"resnet50": "r50.pth", "resnet101": "r101.pth"}
    project.write_study(width=1.0, runs=["fcn_r50"], tables=[], figures=[], seeds=[0])
    study = load_study("toy")
    prepare(study.data)
    torch.manual_seed(5)
    theirs = ResNet("resnet50")
    torch.save(published(theirs), "r50.pth")
    project.write_study(
        width=1.0, runs=["fcn_r50"], tables=[], figures=[], seeds=[0],
        training__initial_weights=files, training__learning_rate=1e-30,
    )  # fmt: skip
    study = load_study("toy")
    train(study, study.runs["fcn_r50"], 0, torch.device("cpu"))
    state = torch.load("results/toy/runs/fcn_r50/seed0/model.pt", weights_only=True)["state"]
    assert torch.equal(state["backbone.res5.2.conv3.weight"], theirs.res5[2].conv3.weight)
    assert torch.equal(state["backbone.stem.6.weight"], theirs.stem[6].weight)


class TestParameters:
    def test_a_backbone_without_file(self, project):
        project.write_study(width=1.0, training__initial_weights={"resnet50": "r50.pth"})
        with pytest.raises(InputError, match=r"training\.initial_weights: has no file for resnet101, which fcn_r101"):
            load_study("toy")

    def test_a_slim_network(self, project):
        project.write_study(training__initial_weights={"resnet50": "r50.pth", "resnet101": "r101.pth"})
        with pytest.raises(InputError, match=r"width: must be 1 with training\.initial_weights"):
            load_study("toy")
