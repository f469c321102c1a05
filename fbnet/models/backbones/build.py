"""Backbones by their registered names."""

from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Protocol

from torch import nn

from fbnet.config.registry import backbone_entry
from fbnet.config.runs import RunConfig
from fbnet.data.normalisation import Normalisation


class Backbone(Protocol):
    """A module that computes features in the stages res2 to res5."""

    stem: nn.Module
    layout: str
    """Naming scheme of its published weights, see `fbnet.models.pretrained`."""
    normalisation: Normalisation
    """Normalisation of its input images."""
    strides: dict[str, int]
    """Output stride of each stage in order: image pixels along one side of a feature."""
    channels: dict[str, int]
    """Number of output channels of each stage."""

    @classmethod
    def of_run(cls, run: RunConfig, width: float) -> "Backbone": ...

    @staticmethod
    def strides_of(run: RunConfig) -> dict[str, int]:
        """Return the strides of a run's backbone without building it."""
        ...

    def stages(self) -> Iterator[tuple[str, nn.Module]]: ...


def build_backbone(run: RunConfig, width: float = 1.0) -> Backbone:
    """Build the backbone of a run with random weights; `width` multiplies the channels of every layer.

    Raises:
        InputError: for a backbone that needs a package that is not installed, or cannot be built so.
    """
    return _backbone(run).of_run(run, width)


def stage_strides(run: RunConfig) -> dict[str, int]:
    """Return the output stride of each stage of a run's backbone, in order."""
    return _backbone(run).strides_of(run)


def _backbone(run: RunConfig) -> type[Backbone]:
    return resolve_name(backbone_entry(run.backbone).implementation)
