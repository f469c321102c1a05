"""Shapes and gradients of every declared run, and baselines against FBNet with the module off."""

import math

import pytest
import torch

from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.config.registry import HEADS, backbone_entry
from fbnet.models.backbones.build import stage_strides
from fbnet.models.backbones.resnet import Bottleneck, ResNet
from fbnet.models.build import build
from fbnet.models.feature_balance import DualFeatureModulator, FeatureBalance

RUNS = load_runs().runs
WIDTH = 0.0625


def toy(run, **changes):
    scalable = backbone_entry(run.backbone).has_width
    if not scalable:
        pytest.importorskip("timm")
    torch.manual_seed(0)
    return build(run.model_copy(update=changes), CITYSCAPES, width=WIDTH if scalable else 1.0)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
class TestEveryRun:
    def test_shapes(self, run):
        outputs = toy(run).eval()(torch.randn(1, 3, 40, 72))
        assert set(outputs) == {"out", "balance"}
        assert outputs["out"].shape == (1, 19, 40, 72)
        channels = 19 if run.balance.auxiliary == "pce" else 14
        stages = () if run.balance.auxiliary == "none" else run.balance.stages
        sides = [stage_strides(run)[stage] for stage in stages]
        assert [logits.shape for logits in outputs["balance"]] == [
            (1, channels, -(-40 // s), -(-72 // s)) for s in sides
        ]

    def test_every_parameter_learns(self, run):
        network = toy(run)
        for block in network.backbone.modules():  # the bottlenecks' last gain begins at 0 and blocks what is before it
            if isinstance(block, Bottleneck):
                torch.nn.init.ones_(block.bn3.weight)
        outputs = network(torch.randn(2, 3, 32, 64))
        (outputs["out"].square().mean() + sum(logits.square().mean() for logits in outputs["balance"])).backward()
        dead = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
        assert dead == []


@pytest.mark.parametrize("run", [run for run in RUNS.values() if run.baseline], ids=lambda run: run.id)
class TestBesideItsBaseline:
    def test_off_is_the_baseline(self, run):
        off = toy(run, balance=run.balance.model_copy(update={"stages": ()})).eval()
        baseline = toy(RUNS[run.baseline]).eval()
        images = torch.randn(1, 3, 32, 32)
        assert torch.equal(off(images)["out"], baseline(images)["out"])

    def test_starts_from_the_baselines_weights(self, run):
        baseline = toy(RUNS[run.baseline]).state_dict()
        ours = toy(run).state_dict()
        assert all(torch.equal(ours[name], value) for name, value in baseline.items())


@pytest.mark.parametrize("head", HEADS)
def test_heads(head):
    outputs = toy(RUNS["fcn_r50"], head=head).eval()(torch.randn(2, 3, 24, 48))
    assert outputs["out"].shape == (2, 19, 24, 48)


@pytest.mark.parametrize("head", HEADS)
def test_logits_of_every_head_are_not_rounded_to_bfloat16(head):
    """Training and evaluation get them within autocast; only hidden layers may be rounded."""
    network = toy(RUNS["fcn_r50"], head=head).eval()
    seen = []
    network.head.register_forward_hook(lambda _layer, _inputs, logits: seen.append(logits))
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        network(torch.randn(1, 3, 32, 64))
    assert seen[0].dtype == torch.float32
    assert not torch.equal(seen[0], seen[0].bfloat16().float())


@pytest.mark.parametrize("head", HEADS)
def test_heads_start_by_fan_in_and_backbones_by_fan_out(head):
    """He's standard deviation of weights is sqrt(2 / fan)."""
    torch.manual_seed(0)
    network = build(RUNS["fcn_r50"].model_copy(update={"head": head}), CITYSCAPES, width=0.5)
    for part, fan in ((network.head, 1), (network.backbone, 0)):
        for layer in part.modules():
            if isinstance(layer, torch.nn.Conv2d):
                inputs = layer.weight.shape[fan] * layer.weight[0, 0].numel()
                slack = 4 / math.sqrt(2 * layer.weight.numel())  # four standard deviations of an estimate
                assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / inputs), rel=slack)
                assert layer.bias is None or not layer.bias.any()


def test_the_first_loss_of_the_fcn_head_is_that_of_a_guess():
    """Logits sum 256 products of weights of variance 2 / 256 and rectified unit normals, of mean square 1 / 2.

    So their variance is 1, and the cross-entropy of labels that do not depend on them is about ln 19 + 1 / 2.
    """
    torch.manual_seed(0)
    head = build(RUNS["fcn_r50"], CITYSCAPES).head
    logits = head({"res2": torch.randn(2, 256, 24, 24).relu(), "res5": torch.randn(2, 2048, 12, 12).relu()})
    loss = torch.nn.functional.cross_entropy(logits, torch.randint(19, (2, 24, 24)))
    assert loss.item() == pytest.approx(math.log(19) + 0.5, abs=0.35)


def test_modulator_by_hand():
    """X_o = X_l * S_s * S_c, with sensors set to known weights."""
    modulator = DualFeatureModulator(2)
    convolution, (linear,) = modulator.spatial_sensor[0], [m for m in modulator.channel_sensor if hasattr(m, "bias")]
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([1.0, -1.0]).view(1, 2, 1, 1))
        convolution.bias.fill_(0.5)
        linear.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        linear.bias.copy_(torch.tensor([0.0, -1.0]))
    features = torch.tensor([[[[1.0, 3.0]], [[2.0, 0.0]]]])  # (1, 2, 1, 2); means 2 and 1
    s_s = torch.sigmoid(torch.tensor([1.0 - 2.0 + 0.5, 3.0 - 0.0 + 0.5]))
    s_c = torch.sigmoid(torch.tensor([4.0, 0.0]))
    expected = features * s_s.view(1, 1, 1, 2) * s_c.view(1, 2, 1, 1)
    assert torch.allclose(modulator(features), expected)


def test_fusion_adds():
    module = FeatureBalance(4, 3)
    features = torch.randn(1, 4, 2, 2)
    fused, logits = module(features)
    assert torch.allclose(fused, features + module.modulator(features))
    assert torch.allclose(logits, module.classifier(module.modulator(features)))


def test_without_modulator_features_pass():
    module = FeatureBalance(4, 3, modulator=None)
    features = torch.randn(1, 4, 2, 2)
    fused, logits = module(features)
    assert torch.equal(fused, features)
    assert torch.allclose(logits, module.classifier(features))


def test_from_identity_a_run_begins_as_its_baseline():
    pytest.importorskip("timm")
    images = torch.randn(1, 3, 64, 64)
    baseline, paper, identity = (
        toy(RUNS[run]).eval()(images)["out"] for run in ("fcn_lite0", "fcn_lite0_fbnet", "fcn_lite0_fbnet_identity")
    )
    assert torch.equal(identity, baseline)
    assert not torch.allclose(paper, baseline)


def test_squeeze_ratio():
    linear = [m for m in DualFeatureModulator(32, squeeze_ratio=16).channel_sensor if hasattr(m, "in_features")]
    assert [(m.in_features, m.out_features) for m in linear] == [(32, 2), (2, 32)]


def test_backbone():
    """Channels, strides and dilation of the published networks."""
    backbone = ResNet("resnet50")
    assert sum(p.numel() for p in ResNet("resnet101").parameters()) > sum(p.numel() for p in backbone.parameters())
    values, sizes = backbone.stem(torch.randn(1, 3, 64, 64)), {}
    for name, stage in backbone.eval().stages():
        values = stage(values)
        sizes[name] = (values.shape[1], 64 // values.shape[2])
    assert sizes == {"res2": (256, 4), "res3": (512, 8), "res4": (1024, 8), "res5": (2048, 8)}
    assert backbone.channels == {name: channels for name, (channels, _) in sizes.items()}
    assert backbone.strides == {name: stride for name, (_, stride) in sizes.items()}
    for stage, dilation in (("res4", 2), ("res5", 4)):
        assert {block.conv2.dilation for block in getattr(backbone, stage)} == {(dilation, dilation)}
