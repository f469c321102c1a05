"""Backbones by name: each has a `stem`, `stages()` from res2 to res5, and their strides and channels."""

from fbnet.config.runs import RunConfig
from fbnet.models.backbones.resnet import ResNet
from fbnet.models.backbones.wider_resnet import WiderResNet

Backbone = ResNet | WiderResNet
BACKBONES: dict[str, type[Backbone]] = {"resnet50": ResNet, "resnet101": ResNet, "wider_resnet38": WiderResNet}


def build_backbone(run: RunConfig, width: float = 1.0) -> Backbone:
    """Build the backbone of a run with random weights; `width` multiplies every layer's channels."""
    return BACKBONES[run.backbone].of_run(run, width)


def stage_strides(backbone: str) -> dict[str, int]:
    """Output stride of each stage, in order."""
    return BACKBONES[backbone].strides


def stage_channels(backbone: str, width: float = 1.0) -> dict[str, int]:
    """Output channels of each stage."""
    return BACKBONES[backbone].channels(width)
