"""Choice of the device, and of compilation on it. torch is imported where it is used, as planning does without."""

from typing import TYPE_CHECKING

from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError

if TYPE_CHECKING:
    import torch

COMPILED_LENGTH = 10_000
"""Iterations from which `compile: auto` compiles on a GPU, where that takes minutes. Assumed, not measured."""


def choose_device(name: str) -> "torch.device":
    """Device of `cpu`, `cuda` or `auto`: a GPU if there is one. Raises InputError for a missing GPU."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no CUDA GPU; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def should_compile(training: TrainingConfig, device_type: str, iterations: int, processes: int = 1) -> bool:
    """Decide whether to compile the network of a training; compiling changes its numbers by rounding only.

    `auto` does not with several processes, whose synchronised normalisation has not been measured when compiled.
    """
    if training.compile == "auto":
        return device_type == "cuda" and iterations >= COMPILED_LENGTH and processes == 1
    return training.compile == "always"
