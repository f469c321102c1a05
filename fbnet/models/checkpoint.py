"""Trained networks on disk: the weights with the configuration that rebuilds their network.

A checkpoint may come from anywhere. Reading it runs nothing of it, and allocates no more than its file holds: its
configuration is checked before a network is built from it, its weights before they are put in.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import NonNegativeInt
from torch import Tensor

from fbnet.config.base import Config, DatasetName, Word, validating
from fbnet.config.labels import LabelSpec
from fbnet.config.registry import DATASETS
from fbnet.config.runs import RunConfig, Width
from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError
from fbnet.io.files import write_whole
from fbnet.models.build import SegmentationNetwork, build
from fbnet.models.pickled import check_weights, read_pickled

FORMAT = 1
AGAIN = "train this run again"


class CheckpointConfig(Config):
    """Description of a checkpoint: everything that rebuilds its network, and how it was trained."""

    study: Word
    run: RunConfig
    seed: NonNegativeInt
    dataset: DatasetName
    width: Width
    training: TrainingConfig
    iterations: NonNegativeInt
    torch_version: str

    @property
    def labels(self) -> LabelSpec:
        """Classes of the network."""
        return DATASETS[self.dataset].labels


def save(path: Path, network: SegmentationNetwork, config: CheckpointConfig) -> None:
    """Writes a checkpoint that appears whole."""
    state = {name: value.cpu() for name, value in network.state_dict().items()}
    content = {"format": FORMAT, "config": config.model_dump(), "state": state}
    write_whole(path, lambda file: torch.save(content, file))


def load(path: Path) -> tuple[SegmentationNetwork, CheckpointConfig]:
    """The network of a checkpoint on the CPU, rebuilt from the checkpoint alone, in evaluation mode.

    Raises:
        InputError: for a missing or damaged file, one that is no checkpoint of ours, and one whose weights are not
            those of the network that it describes.
    """
    config, state = read(path)
    with torch.device("meta"):  # names and shapes, without memory
        _check_fit(path, state, build(config.run, config.labels, width=config.width).state_dict())
    network = build(config.run, config.labels, width=config.width)
    network.load_state_dict(state)
    return network.eval(), config


def read(path: Path) -> tuple[CheckpointConfig, dict[str, Tensor]]:
    """What a checkpoint says of itself, and its weights by name, on the CPU.

    Raises:
        InputError: for a missing or damaged file, one that is no checkpoint of ours, and weights that are not finite.
    """
    if not path.exists():
        raise InputError(f"{path}: not there; train this run first with `fbnet train`")
    content = read_pickled(path, "no readable checkpoint", AGAIN)
    if not isinstance(content, dict) or not {"format", "config", "state"} <= content.keys():
        raise InputError(f"{path}: no readable checkpoint; {AGAIN}")
    if not isinstance(content["format"], int) or content["format"] != FORMAT:
        raise InputError(f"{path}: of another format than {FORMAT}; {AGAIN}")
    with validating(path, AGAIN):
        config = CheckpointConfig.model_validate(content["config"])
    check_weights(path, content["state"], AGAIN)
    return config, content["state"]


def _check_fit(path: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    shared = state.keys() & expected.keys()
    different = sorted(state.keys() ^ expected.keys())
    different += sorted(name for name in shared if _kind(state[name]) != _kind(expected[name]))
    if different:
        raise InputError(f"{path}: its weights are not those of the run that it names, see {different[0]}; {AGAIN}")


def _kind(value: Tensor) -> tuple[torch.Size, torch.dtype]:
    return value.shape, value.dtype
