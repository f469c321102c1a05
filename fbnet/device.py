"""Where tensors live and in which precision the network computes."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from fbnet.data.augment import MEAN, STD
from fbnet.errors import InputError


def choose_device(name: str) -> torch.device:
    """`cpu`, `cuda`, or `auto` for a GPU where there is one. Raises InputError for a GPU that is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no CUDA GPU; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def precision(device: torch.device) -> AbstractContextManager:
    """bfloat16 autocast on a GPU, float32 on a CPU."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def normalise(images: Tensor, device: torch.device) -> Tensor:
    """uint8 images (N, H, W, 3) as float32 (N, 3, H, W), channels last, with ImageNet's mean and standard deviation.

    Bytes travel to the device, a quarter of what floats would take.
    """
    mean, std = (torch.tensor(values, device=device) for values in (MEAN, STD))
    images = images.to(device, non_blocking=True)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)
