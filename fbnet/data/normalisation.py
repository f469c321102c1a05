"""Normalisation of images by a mean and a standard deviation, which belong to the backbone."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

LEVELS = 255
"""Highest level of a colour."""


class Normalisation(NamedTuple):
    """What is subtracted from and divides the RGB levels of a pixel, from 0 to LEVELS."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalisation(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
FILL = tuple(round(value) for value in IMAGENET.mean)
"""Colour of what lies beyond the edge of an image, whatever the backbone: samples are made without a network."""


def normalise(images: Tensor, device: torch.device, normalisation: Normalisation = IMAGENET) -> Tensor:
    """Normalise images on the device, to which they travel as bytes.

    Args:
        images: (N, H, W, 3) RGB from 0 to 255, uint8 or floating point.
        device: where the result is computed and stays.
        normalisation: that of the network's backbone.

    Returns:
        (N, 3, H, W) float32, channels last.
    """
    mean, std = _constants(normalisation, device)
    images = images.to(device, non_blocking=True)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


@cache  # making them on a GPU waits for it
def _constants(normalisation: Normalisation, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.tensor(normalisation.mean, device=device), torch.tensor(normalisation.std, device=device)
