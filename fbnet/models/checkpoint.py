"""Checkpoints: the weights of a trained network with the configuration that rebuilds it.

A checkpoint may come from anywhere. Reading it runs none of its code and allocates no more than its file holds: the
configuration is checked before a network is built from it, the weights before they are loaded.
"""

import json
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import NonNegativeInt, model_validator
from torch import Tensor

from fbnet.config.base import Config, Word, validating
from fbnet.config.dataset_files import LabelSetConfig, find_dataset
from fbnet.config.labels import LabelSpec
from fbnet.config.runs import RunConfig, Width
from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError
from fbnet.io.files import write_whole
from fbnet.models import safetensors_file
from fbnet.models.build import SegmentationNetwork, build

FORMAT = 1
HINT = "train this run again"


class CheckpointConfig(Config):
    """Configuration in a checkpoint: all that rebuilds its network, and how it was trained."""

    study: Word
    run: RunConfig
    seed: NonNegativeInt
    dataset: Word
    label_set: LabelSetConfig | None = None
    """Classes of a dataset of one's own, whose file need not be where the checkpoint is; None for a built-in one."""
    width: Width
    training: TrainingConfig
    iterations: NonNegativeInt
    torch_version: str
    device: str | None = None
    """Type of the device; None in older checkpoints, as the following."""
    precision: Literal["float32", "bfloat16"] | None = None
    """Number format of the training, with `auto` resolved."""

    @property
    def labels(self) -> LabelSpec:
        """Classes of the network."""
        return find_dataset(self.dataset).labels if self.label_set is None else self.label_set.spec(self.dataset)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.label_set is None:
            find_dataset(self.dataset, "dataset")
        return self


def save(path: Path, network: SegmentationNetwork, config: CheckpointConfig) -> None:
    """Write a checkpoint atomically."""
    state = {name: value.cpu() for name, value in network.state_dict().items()}
    built_in = {"label_set"} if config.label_set is None else None
    # Through text, as the bytes of a pickle tell which equal strings are the same object, and that is chance.
    plain = json.loads(config.model_dump_json(exclude=built_in))
    content = {"format": FORMAT, "config": plain, "state": state}
    write_whole(path, lambda file: torch.save(content, file))


def publish(folder: Path, network: SegmentationNetwork, config: CheckpointConfig, facts: Mapping[str, object]) -> None:
    """Write the checkpoint as safetensors and JSON into a folder, with facts for readers without this package."""
    described = {"format": FORMAT, "config": config.model_dump(mode="json"), **facts}
    safetensors_file.write(folder, network.state_dict(), described)


def load(path: Path) -> tuple[SegmentationNetwork, CheckpointConfig]:
    """Rebuild the network of a checkpoint from the checkpoint alone, on the CPU and in evaluation mode.

    Raises:
        InputError: for a missing or damaged file, one that is no checkpoint, and weights that do not fit the network.
    """
    config, state = read(path)
    with torch.device("meta"):  # names and shapes, without memory
        _check_fit(path, state, build(config.run, config.labels, width=config.width).state_dict())
    network = build(config.run, config.labels, width=config.width)
    network.load_state_dict(state)
    return network.eval(), config


def read(path: Path) -> tuple[CheckpointConfig, dict[str, Tensor]]:
    """Read the configuration of a checkpoint, or of published weights, and its weights by name, on the CPU.

    Raises:
        InputError: for a missing or damaged file, one that is no checkpoint, and weights that are not finite, or no
            variance.
    """
    if not path.exists():
        raise InputError(f"{path}: not there; train this run first with `fbnet train`")
    if path.suffix == safetensors_file.SUFFIX:
        content = safetensors_file.read(path)
    else:
        content = read_pickled(path, "no readable checkpoint", HINT)
    if not isinstance(content, dict) or not {"format", "config", "state"} <= content.keys():
        raise InputError(f"{path}: no readable checkpoint; {HINT}")
    if not isinstance(content["format"], int) or content["format"] != FORMAT:
        raise InputError(f"{path}: has another format than {FORMAT}; {HINT}")
    with validating(path, HINT):
        config = CheckpointConfig.model_validate(content["config"])
    check_weights(path, content["state"], HINT)
    return config, content["state"]


def read_pickled(path: Path, problem: str, hint: str) -> object:
    """Read a file of `torch.save` with `weights_only`: tensors, on the CPU, and plain values.

    Args:
        path: the file.
        problem: what to say of a file that cannot be read.
        hint: what to do then.

    Raises:
        InputError: for a missing or damaged file, a compressed one, which torch never writes, and other contents.
    """
    if not path.exists():
        raise InputError(f"{path}: not there; {hint}")
    if not path.is_file():
        raise InputError(f"{path}: {problem} (not a file); {hint}")
    if _is_compressed(path):
        raise InputError(f"{path}: {problem} (compressed); {hint}")
    try:
        with warnings.catch_warnings():  # of damaged files, which are refused or read all the same
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds of exceptions for a damaged file
        raise InputError(f"{path}: {problem} ({type(error).__name__}); {hint}") from error


def check_weights(path: Path, state: object, hint: str) -> None:
    """Raise InputError unless `state` maps names to dense, finite tensors of no more bytes than the file.

    Variances of normalisations must not be negative, either: their square root would be NaN.
    """
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise InputError(f"{path}: holds more than weights by name; {hint}")
    if any(value.layout != torch.strided or value.device.type != "cpu" for value in state.values()):
        raise InputError(f"{path}: holds other tensors than dense ones; {hint}")
    if sum(value.numel() * value.element_size() for value in state.values()) > path.stat().st_size:
        raise InputError(f"{path}: claims more weights than it holds; {hint}")
    for name, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{path}: {name} holds values that are not finite; {hint}")
        if name.endswith("running_var") and bool((value < 0).any()):
            raise InputError(f"{path}: {name} holds a negative variance; {hint}")


def _is_compressed(path: Path) -> bool:
    """Tell whether members of a zip file, torch's format, are compressed and would unpack to more than the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False  # a file of an older torch, or damaged, which torch finds itself


def _check_fit(path: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    different = sorted(state.keys() ^ expected.keys())
    different += sorted(name for name in state.keys() & expected.keys() if _kind(state[name]) != _kind(expected[name]))
    if different:
        raise InputError(f"{path}: weights do not fit the run that it names, see {different[0]}; {HINT}")


def _kind(value: Tensor) -> tuple[torch.Size, torch.dtype]:
    return value.shape, value.dtype
