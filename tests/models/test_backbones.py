"""Sizes and numbers of parameters of backbones, computed by hand and against torchvision's ResNets."""

import pytest
import torch
import torchvision
import yaml
from torch import nn

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.config.registry import BACKBONES, HEADS
from fbnet.config.runs import BalanceConfig
from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError
from fbnet.models.backbones.build import build_backbone, stage_strides
from fbnet.models.backbones.resnet import ResNet
from fbnet.models.backbones.wider_resnet import IdentityResidualBlock, WiderResNet
from fbnet.models.block_loss import block_bce, block_labels
from fbnet.models.build import build
from fbnet.models.flops import count
from fbnet.training.objective import compute_loss

RUN = load_runs().runs["fcn_r50"]
ALL = ("res2", "res3", "res4", "res5")
WIDTH = 0.0625


def toy(**changes):
    torch.manual_seed(0)
    return build(RUN.model_copy(update=changes), CITYSCAPES, width=WIDTH)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("backbone", [name for name, entry in BACKBONES.items() if entry.title is not None])
@pytest.mark.parametrize("width", [1.0, WIDTH])
def test_declared_strides_and_channels_are_the_networks(backbone, width):
    run = RUN.model_copy(update={"backbone": backbone})
    with torch.device("meta"):
        network = build_backbone(run, width).eval()
        values, sizes = network.stem(torch.empty(1, 3, 64, 128)), {}
        for name, stage in network.stages():
            values = stage(values)
            sizes[name] = (values.shape[1], 64 // values.shape[2], 128 // values.shape[3])
    strides, channels = stage_strides(run), network.channels
    assert list(sizes) == list(strides) == list(channels) == list(ALL)
    assert sizes == {name: (channels[name], strides[name], strides[name]) for name in ALL}


class TestPlainStem:
    @pytest.mark.parametrize("name", ["resnet50", "resnet101"])
    def test_parameters_are_torchvisions(self, name):
        with torch.device("meta"):
            theirs = torchvision.models.get_model(name, weights=None)
            assert parameters(ResNet(name, stem="plain")) == parameters(theirs) - parameters(theirs.fc)

    def test_deep_stem_by_hand(self):
        with torch.device("meta"):
            deep, plain = ResNet("resnet50"), ResNet("resnet50", stem="plain")
        assert parameters(deep.stem) == (3 * 64 + 64 * 64 + 64 * 128) * 9 + 2 * (64 + 64 + 128)
        assert parameters(plain.stem) == 3 * 64 * 49 + 2 * 64
        # res2 begins with 128 channels in place of 64: its first block's 1x1 and shortcut
        assert parameters(deep.res2) - parameters(plain.res2) == 64 * 64 + 64 * 256

    def test_a_run_chooses_it(self):
        assert toy(stem="plain").backbone.stem[0].kernel_size == (7, 7)
        assert toy().backbone.stem[0].kernel_size == (3, 3)


class TestWiderResNet:
    """Mod1 to mod7 of the published network, without its last normalisation and classifier."""

    def test_parameters_by_hand(self):
        mod1 = 3 * 64 * 9
        mod2 = self.block(64, 128, 128) + 64 * 128 + 2 * self.block(128, 128, 128)
        mod3 = self.block(128, 256, 256) + 128 * 256 + 2 * self.block(256, 256, 256)
        mod4 = self.block(256, 512, 512) + 256 * 512 + 5 * self.block(512, 512, 512)
        mod5 = self.block(512, 512, 1024) + 512 * 1024 + 2 * self.block(1024, 512, 1024)
        mod6 = self.bottleneck(1024, 512, 1024, 2048) + 1024 * 2048
        mod7 = self.bottleneck(2048, 1024, 2048, 4096) + 2048 * 4096
        with torch.device("meta"):
            backbone = WiderResNet()
        assert parameters(backbone.stem) == mod1
        assert [parameters(stage) for _, stage in backbone.stages()] == [mod2, mod3, mod4 + mod5, mod6 + mod7]

    def block(self, channels, first, second):
        """Two normalisations and two 3x3."""
        return 2 * channels + 9 * channels * first + 2 * first + 9 * first * second

    def bottleneck(self, channels, first, second, third):
        """Three normalisations, 1x1, 3x3 and 1x1."""
        norms = 2 * (channels + first + second)
        return norms + channels * first + 9 * first * second + second * third

    def test_deeplabv3plus_has_the_published_number_of_parameters(self):
        _, parameters = count(
            RUN.model_copy(update={"backbone": "wider_resnet38", "head": "deeplabv3plus"}), CITYSCAPES, size=(64, 64)
        )
        assert parameters == pytest.approx(137.1e6, abs=0.05e6)

    def test_block_by_hand(self):
        """relu of (1, -2) is (1, 0), by the first 3x3 (3, 0), by the second (6, 0); the sum adds the input."""
        block = IdentityResidualBlock(1, (1, 1), stride=1, dilation=1, dropout=0).eval()
        for convolution, centre in ((block.convs.conv1, 3.0), (block.convs.conv2, 2.0)):
            with torch.no_grad():
                convolution.weight.zero_()
                convolution.weight[0, 0, 1, 1] = centre
        values = torch.tensor([[[[1.0, -2.0]]]])
        assert block.proj_conv is None
        assert torch.allclose(block(values), torch.tensor([[[[7.0, -2.0]]]]), rtol=1e-4)
        assert torch.equal(values, torch.tensor([[[[1.0, -2.0]]]]))  # activation in place must not reach the shortcut

    def test_the_shortcut_is_projected_from_the_activated_input(self):
        block = IdentityResidualBlock(1, (1, 2), stride=1, dilation=1, dropout=0).eval()
        with torch.no_grad():
            block.convs.conv2.weight.zero_()
            block.proj_conv.weight.copy_(torch.tensor([5.0, 7.0]).view(2, 1, 1, 1))
        expected = torch.tensor([[[[5.0, 0.0]], [[7.0, 0.0]]]])
        assert torch.allclose(block(torch.tensor([[[[1.0, -2.0]]]])), expected, rtol=1e-4)

    def test_strides_dilations_and_dropout(self):
        with torch.device("meta"):
            backbone = WiderResNet()
        convolutions = {n: m for n, m in backbone.named_modules() if isinstance(m, nn.Conv2d)}
        strided = {name for name, module in convolutions.items() if module.stride != (1, 1)}
        assert strided == {"res4.mod4.block1.convs.conv1", "res4.mod4.block1.proj_conv"}
        dilations = {
            name.split(".")[1]: module.dilation[0]
            for name, module in convolutions.items()
            if module.kernel_size == (3, 3)
        }
        assert dilations == {"mod1": 1, "mod2": 1, "mod3": 1, "mod4": 1, "mod5": 2, "mod6": 4, "mod7": 4}
        dropped = {n: m.p for n, m in backbone.named_modules() if isinstance(m, nn.Dropout2d)}
        assert dropped == {"res5.mod6.block1.convs.dropout": 0.3, "res5.mod7.block1.convs.dropout": 0.5}

    @pytest.mark.parametrize("head", HEADS)
    def test_every_head_and_stage(self, head):
        network = toy(backbone="wider_resnet38", head=head, balance=BalanceConfig(stages=ALL)).eval()
        outputs = network(torch.randn(1, 3, 40, 72))
        assert outputs["out"].shape == (1, 19, 40, 72)
        assert [logits.shape[2:] for logits in outputs["balance"]] == [(20, 36), (10, 18), (5, 9), (5, 9)]

    def test_every_parameter_learns(self):
        network = toy(backbone="wider_resnet38", head="deeplabv3plus", balance=BalanceConfig(stages=ALL))
        outputs = network(torch.randn(2, 3, 32, 64))
        (outputs["out"].square().mean() + sum(logits.square().mean() for logits in outputs["balance"])).backward()
        dead = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
        assert dead == []

    def test_the_loss_counts_blocks_of_each_stages_own_stride(self):
        run = RUN.model_copy(update={"backbone": "wider_resnet38", "balance": BalanceConfig(stages=ALL)})
        labels = torch.randint(0, 19, (1, 32, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        outputs = build(run, CITYSCAPES, width=WIDTH).eval()(torch.randn(1, 3, 32, 64))
        training = TrainingConfig(crop=(32, 64), batch_size=2, epochs=1, learning_rate=0.1)
        _, balance = compute_loss(outputs, labels, run, CITYSCAPES, training)
        expected = sum(
            block_bce(logits, *block_labels(labels, CITYSCAPES.foreground_ids, stride))
            for logits, stride in zip(outputs["balance"], (2, 4, 8, 8), strict=True)
        )
        assert balance.item() == pytest.approx(expected.item())


class TestRuns:
    def test_the_stem_is_part_of_the_architecture(self):
        assert RUN.network_key["stem"] == "deep"
        assert RUN.model_copy(update={"stem": "plain"}).network_key != RUN.network_key

    @pytest.mark.parametrize(
        ("delta", "message"),
        [
            ({"backbone": "wider_resnet38", "stem": "plain"}, "stem: wider_resnet38 has no 'plain'; choose from deep"),
            ({"stem": "wide"}, "stem: no 'wide'; choose from deep, plain"),
        ],
    )
    def test_a_stem_that_the_backbone_does_not_have(self, project, delta, message):
        content = yaml.safe_load(paths.RUNS_FILE.read_text())
        content["runs"]["mine"] = {"label": "Mine", **delta}
        paths.RUNS_FILE.write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=f"^params/runs.yaml: runs.mine.{message}"):
            load_runs()
