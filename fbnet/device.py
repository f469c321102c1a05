"""Where tensors live, and how the network computes there: precision, determinism, compilation."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from fbnet.data.augment import MEAN, STD
from fbnet.errors import InputError
from fbnet.recipe import Precision, TrainingConfig

COMPILED_LENGTH = 10_000
"""Iterations from which a training is compiled on a GPU, where compiling takes minutes. Assumed, not measured."""
CPU_INFO = Path("/proc/cpuinfo")
CPU_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # of x86 and of ARM, as Linux names them


def choose_device(name: str) -> torch.device:
    """`cpu`, `cuda`, or `auto` for a GPU where there is one. Raises InputError for a GPU that is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no CUDA GPU; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def choose_precision(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """What a network computes in on a device, `auto` decided."""
    if precision != "auto":
        return precision
    has_instructions = _gpu_has_bfloat16() if device.type == "cuda" else _cpu_has_bfloat16()
    return "bfloat16" if has_instructions else "float32"


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context in which the network computes; in float32 it changes nothing."""
    wanted = choose_precision(precision, device) == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def compiles(training: TrainingConfig, device: torch.device, length: int) -> bool:
    """Whether a training of so many iterations compiles its network, which changes its numbers by rounding only."""
    if training.compile == "auto":
        return device.type == "cuda" and length >= COMPILED_LENGTH
    return training.compile == "always"


@contextmanager
def reproducible(wanted: bool) -> Iterator[None]:
    """Inside, the same computation on the same machine gives the same bytes, or torch refuses it with a RuntimeError.

    Otherwise it may take what is fastest: algorithms that add up in any order, and those of cuDNN that win a trial.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if wanted:  # what cuBLAS asks for, before it is first used
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted)
    torch.backends.cudnn.benchmark = not wanted
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def normalise(images: Tensor, device: torch.device) -> Tensor:
    """uint8 images (N, H, W, 3) as float32 (N, 3, H, W), channels last, with ImageNet's mean and standard deviation.

    Bytes travel to the device, a quarter of what floats would take.
    """
    mean, std = (torch.tensor(values, device=device) for values in (MEAN, STD))
    images = images.to(device, non_blocking=True)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def _gpu_has_bfloat16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)


def _cpu_has_bfloat16() -> bool:
    """Whether Linux lists the instructions; other systems count as without."""
    if not CPU_INFO.is_file():
        return False
    lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not CPU_FLAGS.isdisjoint(flags.split())
