"""Normalisation of images by the mean and standard deviation of ImageNet."""

from functools import cache

import torch
from torch import Tensor

# In grey levels from 0 to 255, RGB.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
FILL = tuple(round(value) for value in MEAN)
"""Colour of what lies beyond the edge of an image."""


def normalise(images: Tensor, device: torch.device) -> Tensor:
    """Normalise images on the device, to which they travel as bytes.

    Args:
        images: (N, H, W, 3) RGB from 0 to 255, uint8 or floating point.
        device: where the result is computed and stays.

    Returns:
        (N, 3, H, W) float32, channels last.
    """
    mean, std = _constants(device)
    images = images.to(device, non_blocking=True)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


@cache  # making them on a GPU waits for it
def _constants(device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.tensor(MEAN, device=device), torch.tensor(STD, device=device)
