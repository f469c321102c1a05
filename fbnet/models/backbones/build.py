"""Backbones by their registered names."""

from collections.abc import Iterator
from pkgutil import resolve_name
from typing import ClassVar, Protocol

from torch import nn

from fbnet.config.registry import BACKBONES
from fbnet.config.runs import RunConfig


class Backbone(Protocol):
    """A module that computes features in the stages res2 to res5."""

    stem: nn.Module
    layout: str
    """Naming scheme of its published weights, see `fbnet.models.pretrained`."""
    strides: ClassVar[dict[str, int]]

    @classmethod
    def of_run(cls, run: RunConfig, width: float) -> "Backbone": ...

    @staticmethod
    def channels(width: float) -> dict[str, int]: ...

    def stages(self) -> Iterator[tuple[str, nn.Module]]: ...


def build_backbone(run: RunConfig, width: float = 1.0) -> Backbone:
    """Build the backbone of a run with random weights; `width` multiplies the channels of every layer."""
    return _backbone(run.backbone).of_run(run, width)


def stage_strides(backbone: str) -> dict[str, int]:
    """Return the output stride of each stage in order: image pixels along one side of a feature."""
    return _backbone(backbone).strides


def stage_channels(backbone: str, width: float = 1.0) -> dict[str, int]:
    """Return the number of output channels of each stage."""
    return _backbone(backbone).channels(width)


def _backbone(name: str) -> type[Backbone]:
    return resolve_name(BACKBONES[name].implementation)
