"""WiderResNet-38 (Wu et al., 2016) as dilated backbone, in the variant A2 of Rota Bulò et al. (2018).

NOTE the paper names the backbone only (Table 5). This is the variant of the family of codes that it builds on: identity
residual blocks, normalised and activated at their input, output stride 8. Layers are named as in the published weights.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from fbnet.config.runs import RunConfig
from fbnet.data.normalisation import IMAGENET
from fbnet.models.layers import initialise, scale_channels


@dataclass(frozen=True)
class _Module:
    """One of the published network's modules of residual blocks."""

    blocks: int
    channels: tuple[int, ...]  # of a block's convolutions: two of 3x3, or the three of a bottleneck
    pooled: bool = False  # whether max-pooling halves its input
    stride: int = 1  # of its first block
    dilation: int = 1
    dropout: float = 0.0


MODULES = {
    "mod2": _Module(3, (128, 128)),
    "mod3": _Module(3, (256, 256), pooled=True),
    "mod4": _Module(6, (512, 512), stride=2),
    "mod5": _Module(3, (512, 1024), dilation=2),
    "mod6": _Module(1, (512, 1024, 2048), dilation=4, dropout=0.3),
    "mod7": _Module(1, (1024, 2048, 4096), dilation=4, dropout=0.5),
}
# Counterparts of a ResNet's stages: DeepLabv3+ skips from res2, and heads begin with res5.
STAGES = {"res2": ("mod2",), "res3": ("mod3",), "res4": ("mod4", "mod5"), "res5": ("mod6", "mod7")}


class WiderResNet(nn.Module):
    """Convolutional part of WiderResNet-38, iterated stage by stage.

    A stage's output is a sum that is neither normalised nor activated: the classifier's last normalisation is left out.
    NOTE not in the paper; heads of the family of codes that it builds on take these features as they are.

    Args:
        width: multiplier of every layer's channels; 1 is the published network.
    """

    layout = "wider_resnet"
    normalisation = IMAGENET
    strides: ClassVar[dict[str, int]] = {"res2": 2, "res3": 4, "res4": 8, "res5": 8}

    def __init__(self, *, width: float = 1.0) -> None:
        super().__init__()
        channels = scale_channels(64, width)
        mod1 = nn.Sequential(OrderedDict(conv1=nn.Conv2d(3, channels, 3, padding=1, bias=False)))
        self.stem = nn.Sequential(OrderedDict(mod1=mod1, pool=_pool()))
        self.channels: dict[str, int] = {}
        for stage, names in STAGES.items():
            layers = OrderedDict()
            for name in names:
                if MODULES[name].pooled:
                    layers["pool"] = _pool()
                layers[name] = _residual_blocks(channels, MODULES[name], width)
                channels = scale_channels(MODULES[name].channels[-1], width)
            self.add_module(stage, nn.Sequential(layers))
            self.channels[stage] = channels
        initialise(self, "fan_out")

    @classmethod
    def of_run(cls, run: RunConfig, width: float) -> "WiderResNet":
        return cls(width=width)

    @classmethod
    def strides_of(cls, _run: RunConfig) -> dict[str, int]:
        return cls.strides

    def stages(self) -> Iterator[tuple[str, nn.Module]]:
        """Names and modules of the stages, in order."""
        return ((name, getattr(self, name)) for name in STAGES)


class IdentityResidualBlock(nn.Module):
    """Residual block that normalises and activates its input (He et al., 2016b).

    Where the size changes, the shortcut is a 1x1 convolution of the activated input; elsewhere it is the input itself.

    Args:
        channels: channels of the input.
        inner: channels of the convolutions: of two 3x3, or of a bottleneck's 1x1, 3x3 and 1x1.
        stride: of the first convolution, and of the shortcut.
        dilation: of the 3x3 convolutions.
        dropout: probability that a channel is dropped before the last convolution; 0 for no such layer.

    Shape:
        (N, C, h, w) to (N, inner[-1], ceil(h / stride), ceil(w / stride)).
    """

    def __init__(self, channels: int, inner: tuple[int, ...], *, stride: int, dilation: int, dropout: float) -> None:
        super().__init__()
        resized = stride != 1 or channels != inner[-1]
        self.bn1 = _bn_relu(channels)
        self.convs = nn.Sequential(_convolutions(channels, inner, stride, dilation, dropout))
        self.proj_conv = nn.Conv2d(channels, inner[-1], 1, stride, bias=False) if resized else None

    def forward(self, features: Tensor) -> Tensor:
        activated = self.bn1(features)
        shortcut = features if self.proj_conv is None else self.proj_conv(activated)
        return self.convs(activated) + shortcut


def _residual_blocks(channels: int, module: _Module, width: float) -> nn.Sequential:
    inner = tuple(scale_channels(number, width) for number in module.channels)
    blocks, stride = OrderedDict(), module.stride
    for index in range(1, module.blocks + 1):
        blocks[f"block{index}"] = IdentityResidualBlock(
            channels, inner, stride=stride, dilation=module.dilation, dropout=module.dropout
        )
        channels, stride = inner[-1], 1
    return nn.Sequential(blocks)


def _convolutions(
    channels: int, inner: tuple[int, ...], stride: int, dilation: int, dropout: float
) -> OrderedDict[str, nn.Module]:
    """Build conv1, bn2, conv2 and so on, each normalisation with its ReLU."""
    sizes = (3, 3) if len(inner) == 2 else (1, 3, 1)
    layers = OrderedDict()
    for index, (out_channels, size) in enumerate(zip(inner, sizes, strict=True), start=1):
        if index > 1:
            layers[f"bn{index}"] = _bn_relu(channels)
        if index == len(inner) and dropout:
            layers["dropout"] = nn.Dropout2d(dropout)
        spread = dilation if size == 3 else 1
        layers[f"conv{index}"] = nn.Conv2d(
            channels, out_channels, size, stride if index == 1 else 1, spread * (size // 2), spread, bias=False
        )
        channels = out_channels
    return layers


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, padding=1)


def _bn_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
