"""ResNet (He et al., 2016) as dilated backbone: deep or plain stem, output stride 8, width multiplier."""

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from fbnet.config.runs import RunConfig
from fbnet.data.normalisation import IMAGENET
from fbnet.models.layers import conv_bn_relu, initialise, scale_channels

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
# Planes, stride and dilation of res2 to res5. NOTE not in the paper: every 3x3 convolution of res4 and res5 is
# dilated, the first block's too, as in the code that the paper's family of methods builds on.
STAGES = {"res2": (64, 1, 1), "res3": (128, 2, 1), "res4": (256, 1, 2), "res5": (512, 1, 4)}


class ResNet(nn.Module):
    """Convolutional part of a ResNet, iterated stage by stage.

    Args:
        backbone: `resnet50` or `resnet101`.
        stem: `deep`, three 3x3 convolutions, or `plain`, torchvision's single 7x7.
        width: multiplier of every layer's channels; 1 is the published network.
    """

    normalisation = IMAGENET
    strides: ClassVar[dict[str, int]] = {"res2": 4, "res3": 8, "res4": 8, "res5": 8}

    def __init__(self, backbone: str, *, stem: str = "deep", width: float = 1.0) -> None:
        super().__init__()
        self.layout = f"resnet_{stem}"
        self.stem, channels = STEMS[stem](width)
        self.channels: dict[str, int] = {}
        for blocks, (name, (planes, stride, dilation)) in zip(BLOCKS[backbone], STAGES.items(), strict=True):
            planes = scale_channels(planes, width)
            self.add_module(name, _stage(channels, planes, blocks, stride, dilation))
            channels = planes * Bottleneck.expansion
            self.channels[name] = channels
        initialise(self, "fan_out")
        for layer in self.modules():
            if isinstance(layer, Bottleneck):  # starts as the identity (Goyal et al., 2017)
                nn.init.zeros_(layer.bn3.weight)

    @classmethod
    def of_run(cls, run: RunConfig, width: float) -> "ResNet":
        return cls(run.backbone, stem=run.stem, width=width)

    @classmethod
    def strides_of(cls, _run: RunConfig) -> dict[str, int]:
        return cls.strides

    def stages(self) -> Iterator[tuple[str, nn.Module]]:
        """Names and modules of the stages, in order."""
        return ((name, getattr(self, name)) for name in STAGES)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; layers are named as in published weights.

    Importing torchvision's block instead would take seconds in each of a study's hundred processes.

    Args:
        channels: channels of the input.
        planes: channels inside; the output has `expansion` times as many.
        stride, dilation: of the 3x3 convolution.
        shortcut: projection of the input where its shape is not the output's.
    """

    expansion = 4

    def __init__(
        self, channels: int, planes: int, *, stride: int = 1, dilation: int = 1, shortcut: nn.Module | None = None
    ) -> None:
        super().__init__()
        out_channels = planes * self.expansion
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, values: Tensor) -> Tensor:
        inside = self.relu(self.bn1(self.conv1(values)))
        inside = self.relu(self.bn2(self.conv2(inside)))
        inside = self.bn3(self.conv3(inside))
        inside += values if self.downsample is None else self.downsample(values)
        return self.relu(inside)


def _deep_stem(width: float) -> tuple[nn.Sequential, int]:
    channels, out_channels = scale_channels(64, width), scale_channels(128, width)
    stem = nn.Sequential(
        *conv_bn_relu(3, channels, 3, stride=2),
        *conv_bn_relu(channels, channels, 3),
        *conv_bn_relu(channels, out_channels, 3),
        nn.MaxPool2d(3, stride=2, padding=1),
    )
    return stem, out_channels


def _plain_stem(width: float) -> tuple[nn.Sequential, int]:
    channels = scale_channels(64, width)
    return nn.Sequential(*conv_bn_relu(3, channels, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)), channels


STEMS = {"deep": _deep_stem, "plain": _plain_stem}


def _stage(channels: int, planes: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    out_channels = planes * Bottleneck.expansion
    shortcut = nn.Sequential(nn.Conv2d(channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
    first = Bottleneck(channels, planes, stride=stride, dilation=dilation, shortcut=shortcut)
    return nn.Sequential(first, *(Bottleneck(out_channels, planes, dilation=dilation) for _ in range(blocks - 1)))
