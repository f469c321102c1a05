"""Trained networks on disk: the weights with the configuration that rebuilds their network."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from fbnet.config import RunConfig
from fbnet.data.specs import LABELS, LabelSpec
from fbnet.errors import InputError
from fbnet.files import write_whole
from fbnet.models.build import SegmentationNetwork, build
from fbnet.recipe import TrainingConfig
from fbnet.strict import Where, from_mapping

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """What a checkpoint says of itself: all that rebuilds its network, and how it was trained."""

    study: str
    run: RunConfig
    seed: int
    dataset: str
    width: float
    training: TrainingConfig
    iterations: int
    torch_version: str

    @property
    def labels(self) -> LabelSpec:
        return LABELS[self.dataset]


def save(path: Path, network: SegmentationNetwork, config: CheckpointConfig) -> None:
    """Writes a checkpoint that appears whole."""
    state = {name: value.cpu() for name, value in network.state_dict().items()}
    content = {"format": FORMAT, "config": asdict(config), "state": state}
    write_whole(path, lambda file: torch.save(content, file))


def load(path: Path) -> tuple[SegmentationNetwork, CheckpointConfig]:
    """The network of a checkpoint on the CPU, rebuilt from the checkpoint alone, in evaluation mode.

    Raises:
        InputError: for a missing or damaged file, or one that is no checkpoint of ours.
    """
    config, state = read(path)
    network = build(config.run, config.labels, width=config.width)
    network.load_state_dict(state)
    return network.eval(), config


def read(path: Path) -> tuple[CheckpointConfig, dict[str, Tensor]]:
    """What a checkpoint says of itself, and its weights by name, on the CPU. Raises InputError as `load` does."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        known, described, state = content["format"] == FORMAT, content["config"], content["state"]
    except FileNotFoundError:
        raise InputError(f"{path}: not there; train this run first with `fbnet train`") from None
    except Exception as error:  # torch answers a damaged file with whatever its reader stumbles over
        raise InputError(f"{path}: no readable checkpoint ({type(error).__name__}); train this run again") from error
    if not known:
        raise InputError(f"{path}: of another format than {FORMAT}; train this run again")
    return from_mapping(CheckpointConfig, described, Where(str(path))), state
