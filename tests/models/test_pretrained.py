"""Initial weights in the layouts of published files and from another run's checkpoint.

Files in the layouts of MIT CSAIL and NVIDIA are made here from our own networks, torchvision's by torchvision.
"""

import re
from pathlib import Path

import pytest
import torch
import torchvision

from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs, load_study
from fbnet.config.runs import BalanceConfig
from fbnet.errors import InputError
from fbnet.models import checkpoint
from fbnet.models.backbones.resnet import ResNet
from fbnet.models.backbones.wider_resnet import WiderResNet
from fbnet.models.build import build
from fbnet.models.pretrained import load_initial_weights, load_parent
from fbnet.models.weight_files import record
from fbnet.training.train import train
from tests.conftest import prepare_all

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


def published_wider_resnet(backbone):
    """A WiderResNet-38's weights as the published file has them: of a classifier trained by DataParallel."""
    modules = {"mod1": "stem", "mod2": "res2", "mod3": "res3", "mod4": "res4", "mod5": "res4", "mod6": "res5"}
    ours = backbone.state_dict()
    state = {}
    for module, stage in {**modules, "mod7": "res5"}.items():
        prefix = f"{stage}.{module}."
        found = {name.removeprefix(f"{stage}."): value for name, value in ours.items() if name.startswith(prefix)}
        state |= {f"module.{name}": value for name, value in found.items() if not name.endswith("tracked")}
    state |= {f"module.bn_out.0.{name}": torch.zeros(256) for name in ("weight", "bias", "running_mean", "running_var")}
    state |= {"module.classifier.fc.weight": torch.zeros(10, 256), "module.classifier.fc.bias": torch.zeros(10)}
    return {"epoch": 90, "arch": "wider_resnet38", "state_dict": state, "best_prec1": 0.8, "optimizer": {"state": {}}}


def network(seed, backbone="resnet50", stem="deep"):
    torch.manual_seed(seed)
    return drawn(ResNet(backbone, stem=stem, width=WIDTH))


def drawn(network):
    """Draw running means, which would otherwise equal those of any new network."""
    for name, value in network.named_buffers():
        if name.endswith("running_mean"):
            value.normal_()
    return network


def values(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(network, before):
    state = network.state_dict()
    return state.keys() == before.keys() and all(torch.equal(state[name], value) for name, value in before.items())


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


def test_torchvisions_network_becomes_ours(path):
    """With its first blocks' dilation set to ours, torchvision's own network gives the same features."""
    torch.manual_seed(0)
    theirs = drawn(torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True])).eval()
    for layer, dilation in ((theirs.layer3, (2, 2)), (theirs.layer4, (4, 4))):
        layer[0].conv2.dilation = layer[0].conv2.padding = dilation
    torch.save(theirs.state_dict(), path)
    ours = ResNet("resnet50", stem="plain").eval()
    load_initial_weights(ours, path)
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        features, expected = ours.stem(images), theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(images))))
        for number, (_, stage) in enumerate(ours.stages(), start=1):
            features, expected = stage(features), theirs.get_submodule(f"layer{number}")(expected)
            assert torch.equal(features, expected)


class TestWiderResNet:
    def test_every_weight_arrives(self, path):
        theirs, ours = drawn(WiderResNet(width=WIDTH)), WiderResNet(width=WIDTH)
        torch.save(published_wider_resnet(theirs), path)
        load_initial_weights(ours, path)
        assert same(ours, values(theirs))

    def test_their_names_are_those_of_the_public_code(self):
        names = {name.removeprefix("module.") for name in published_wider_resnet(WiderResNet())["state_dict"]}
        # mod1, 3 + 3 + 6 + 3 blocks and 2 bottlenecks, a projection in each module, bn_out and the classifier:
        # two normalisations of 4 and two convolutions a block, three of each in the two bottlenecks
        assert len(names) == 1 + 15 * (2 * 4 + 2) + 2 * (3 * 4 + 3) + 6 + 6
        assert {
            "mod1.conv1.weight", "mod2.block1.bn1.0.weight", "mod2.block1.proj_conv.weight",
            "mod2.block3.convs.bn2.0.running_var", "mod4.block6.convs.conv2.weight", "mod5.block1.convs.conv1.weight",
            "mod6.block1.convs.bn3.0.bias", "mod7.block1.convs.conv3.weight",
        } <= names  # fmt: skip

    def test_a_missing_weight(self, path):
        content = published_wider_resnet(WiderResNet(width=WIDTH))
        del content["state_dict"]["module.mod5.block1.proj_conv.weight"]
        torch.save(content, path)
        ours = WiderResNet(width=WIDTH)
        before = values(ours)
        with pytest.raises(InputError, match=r"has no weights res4\.mod5\.block1\.proj_conv\.weight; it must be Wider"):
            load_initial_weights(ours, path)
        assert same(ours, before)


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
        (lambda state: state.update({3: torch.zeros(1)}), "holds more than weights by name"),
    ],
)
def test_what_does_not_fit_is_refused(path, spoil, message):
    state = published(network(0))
    spoil(state)
    torch.save(state, path)
    ours = network(1)
    before = values(ours)
    with pytest.raises(InputError, match=re.escape(message)):
        load_initial_weights(ours, path)
    assert same(ours, before)


class TestAnotherLayout:
    """A file for another kind of backbone is refused with its name."""

    @pytest.mark.parametrize(
        ("theirs", "ours", "message"),
        [
            ("plain", "deep", "holds a ResNet with plain stem, .*; use it for a ResNet with `stem: plain`"),
            ("plain", "wide", "holds a ResNet with plain stem, .*; use it for a ResNet with `stem: plain`"),
            ("deep", "plain", "holds a ResNet with deep stem, .*; use it for a ResNet with `stem: deep`"),
            ("wide", "deep", "holds WiderResNet-38 .*; use it for a run with `backbone: wider_resnet38`"),
        ],
    )
    def test_is_named(self, path, theirs, ours, message):
        torch.save(self.file(theirs), path)
        backbone = self.backbone(ours)
        before = values(backbone)
        with pytest.raises(InputError, match=f"{path.name}: {message}"):
            load_initial_weights(backbone, path)
        assert same(backbone, before)

    def backbone(self, kind):
        return WiderResNet(width=WIDTH) if kind == "wide" else network(1, stem=kind)

    def file(self, kind):
        if kind == "plain":
            return torchvision.models.resnet50().state_dict()
        backbone = self.backbone(kind)
        return published_wider_resnet(backbone) if kind == "wide" else published(backbone)


def test_another_depth(path):
    torch.save(published(network(0, "resnet101")), path)
    with pytest.raises(InputError, match=r"has unknown weights res4\.10\.bn1\.bias, .* and \d+ more"):
        load_initial_weights(network(1), path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not there"),
        (b"nothing", "no readable weights"),
        (b"\x80\x02.", "no readable weights"),
        (b"<html>not found</html>", "no readable weights"),
    ],
)
def test_no_weights(path, content, message):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_initial_weights(network(0), path)


def test_no_pickle_runs_code(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    torch.save(published(network(0)) | {"conv1.weight": Malicious()}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"no readable weights \(UnpicklingError\); .* save its weights alone"):
        load_initial_weights(network(1), tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()


def test_training_starts_from_them(project):
    """With a rate of next to nothing, the trained backbone is the initial one."""
    files = {"resnet50": "r50.pth", "resnet101": "r101.pth"}
    project.write_study(width=1.0, runs=["fcn_r50"], tables=[], figures=[], seeds=[0])
    study = load_study("toy")
    prepare_all(study.data)
    torch.manual_seed(5)
    theirs = ResNet("resnet50")
    torch.save(published(theirs), "r50.pth")
    record("r50.pth")
    project.write_study(
        width=1.0, runs=["fcn_r50"], tables=[], figures=[], seeds=[0],
        training__initial_weights=files, training__learning_rate=1e-30,
    )  # fmt: skip
    study = load_study("toy")
    train(study, study.runs["fcn_r50"], 0, torch.device("cpu"))
    state = torch.load("results/toy/runs/fcn_r50/seed0/model.pt", weights_only=True)["state"]
    assert torch.equal(state["backbone.res5.2.conv3.weight"], theirs.res5[2].conv3.weight)
    assert torch.equal(state["backbone.stem.6.weight"], theirs.stem[6].weight)


def test_training_takes_no_file_but_the_recorded_one(project):
    project.write_study(
        width=1.0, runs=["fcn_r50"], tables=[], figures=[], seeds=[0], training__initial_weights={"resnet50": "r50.pth"}
    )
    study = load_study("toy")
    prepare_all(study.data)
    Path("r50.pth").write_bytes(b"one")
    record("r50.pth")
    Path("r50.pth").write_bytes(b"another")
    with pytest.raises(InputError, match=r"^r50\.pth: is another file than the one in data/weights/r50\.pth\.json"):
        train(study, study.runs["fcn_r50"], 0, torch.device("cpu"))


class TestParent:
    """Networks that start from another run's checkpoint."""

    CHANGED = BalanceConfig(stages=("res4", "res5"))

    @pytest.fixture
    def parent(self, project):
        """Write a checkpoint of fcn_r50 with some settings changed, and return its network."""
        project.write_study(runs=["fcn_r50"], tables=["table_1"], figures=[])

        def write(path="model.pt", dataset="cityscapes", **changes):
            run = load_runs().runs["fcn_r50"].model_copy(update=changes)
            config = checkpoint.CheckpointConfig(
                study="toy", run=run, seed=0, dataset=dataset, width=WIDTH, iterations=2, torch_version="2",
                training=load_study("toy").settings.training,
            )  # fmt: skip
            torch.manual_seed(0)
            network = drawn(build(run, config.labels, width=WIDTH))
            checkpoint.save(Path(path), network, config)
            return network

        return write

    def child(self, **changes):
        torch.manual_seed(1)
        run = load_runs().runs["fcn_r50"].model_copy(update=changes)
        return build(run, CITYSCAPES, width=WIDTH)

    def test_the_same_run(self, parent):
        theirs, ours = parent(balance=self.CHANGED), self.child(balance=self.CHANGED)
        load_parent(ours, Path("model.pt"))
        assert same(ours, values(theirs))

    def test_modules_that_the_parent_lacks_stay_fresh(self, parent):
        theirs, ours = parent(balance=BalanceConfig(stages=("res4",))), self.child(balance=self.CHANGED)
        fresh = values(ours.balance.res5)
        load_parent(ours, Path("model.pt"))
        assert same(ours.balance.res5, fresh)
        for part in ("backbone", "head", "balance.res4"):
            assert same(ours.get_submodule(part), values(theirs.get_submodule(part)))

    def test_modules_that_the_child_lacks_are_ignored(self, parent):
        theirs, ours = parent(balance=self.CHANGED), self.child()
        load_parent(ours, Path("model.pt"))
        assert same(ours.backbone, values(theirs.backbone))
        assert same(ours.head, values(theirs.head))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"head": "pspnet"},
                r"has no weights head\.classifier\..* and \d+ more; start from a run with the same head",
            ),
            ({"backbone": "resnet101"}, r"has unknown weights backbone\.res4\.10\..*; start from a run with"),
            ({"stem": "plain"}, r"has no weights backbone\.stem\.3\.weight, "),
            (
                {"balance": BalanceConfig(stages=("res5",), squeeze_ratio=4)},
                r"balance\.res5\.modulator\.channel_sensor",
            ),
            (
                {"dataset": "camvid"},
                r"has the 11 classes of camvid, and this run other 19; start from a run with",
            ),
        ],
    )
    def test_what_does_not_fit_is_refused(self, parent, changes, message):
        parent(**changes)
        ours = self.child(balance=self.CHANGED)
        before = values(ours)
        with pytest.raises(InputError, match=rf"^model\.pt: .*{message}"):
            load_parent(ours, Path("model.pt"))
        assert same(ours, before)

    def test_another_width(self, parent):
        parent()
        with pytest.raises(InputError, match=r"has another shape of backbone\.res2\.0\."):
            load_parent(build(load_runs().runs["fcn_r50"], CITYSCAPES, width=0.125), Path("model.pt"))

    def test_missing(self, project):
        with pytest.raises(InputError, match=r"^model\.pt: not there"):
            load_parent(self.child(), Path("model.pt"))


class TestParameters:
    def test_a_backbone_without_file(self, project):
        project.write_study(width=1.0, training__initial_weights={"resnet50": "r50.pth"})
        with pytest.raises(InputError, match=r"training\.initial_weights: has no file for resnet101, which fcn_r101"):
            load_study("toy")

    def test_a_slim_network(self, project):
        project.write_study(training__initial_weights={"resnet50": "r50.pth", "resnet101": "r101.pth"})
        with pytest.raises(InputError, match=r"width: must be 1 with training\.initial_weights"):
            load_study("toy")
