"""Where tensors live, and how the network computes there: precision, determinism, compilation."""

import torch

from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError

COMPILED_LENGTH = 10_000
"""Iterations from which a training is compiled on a GPU, where compiling takes minutes. Assumed, not measured."""


def choose_device(name: str) -> torch.device:
    """`cpu`, `cuda`, or `auto` for a GPU where there is one. Raises InputError for a GPU that is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no CUDA GPU; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def should_compile(training: TrainingConfig, device: torch.device, length: int) -> bool:
    """Whether a training of so many iterations compiles its network, which changes its numbers by rounding only."""
    if training.compile == "auto":
        return device.type == "cuda" and length >= COMPILED_LENGTH
    return training.compile == "always"
