"""Random colours and blur of training crops, on the device that consumes them. NOTE not in the paper."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fbnet.config.training import PhotometricConfig

TRUNCATE = 4.0
"""Standard deviations that a blur's kernel reaches, as scikit-image's `gaussian`, which the family of codes uses."""


@dataclass(frozen=True)
class Colours:
    """Changes of one crop."""

    factors: tuple[float, float, float, float]
    """Of brightness, contrast, saturation, and the turn of the hue in circles."""
    order: tuple[int, ...]
    """Positions of the factors in the order that they apply in; none without jitter."""
    sigma: float
    """Standard deviation of the blur, in pixels."""


def draw_colours(settings: PhotometricConfig, rng: np.random.Generator) -> Colours:
    """Draw colour jitter as torchvision's `ColorJitter` does, and a blur.

    Factors of brightness, contrast and saturation are from 1 - jitter to 1 + jitter; hue turns by -jitter to jitter.
    NOTE every crop is blurred, as in the code that the range of the blur comes from; at the range's lower end the blur
    changes nothing.
    """
    amount, factors, order = settings.jitter, (1.0, 1.0, 1.0, 0.0), ()
    if amount > 0:
        factors = (*rng.uniform(1 - amount, 1 + amount, 3).tolist(), rng.uniform(-amount, amount))
        order = tuple(rng.permutation(len(factors)).tolist())
    return Colours(factors, order, rng.uniform(*settings.blur))


def change_colours(images: Tensor, changes: Sequence[Colours], settings: PhotometricConfig) -> Tensor:
    """Apply colour jitter, then Gaussian blur, on the device of the images and without rounding.

    Args:
        images: (N, H, W, 3) uint8 RGB.
        changes: N, one for each image.
        settings: what the changes were drawn with.

    Returns:
        (N, H, W, 3) float32, from 0 to 255.
    """
    values = images.permute(0, 3, 1, 2) / 255
    jittered = torch.stack([jitter(image, change) for image, change in zip(values, changes, strict=True)])
    return blur(jittered, [change.sigma for change in changes], settings.blur[1]).permute(0, 2, 3, 1) * 255


def jitter(image: Tensor, change: Colours) -> Tensor:
    """Change brightness, contrast, saturation and hue of an image (3, H, W), float32 from 0 to 1, in drawn order."""
    # Importing torchvision takes as long as importing torch; only trainings that change colours wait for it.
    from torchvision.transforms.v2 import functional as v2

    adjustments = (v2.adjust_brightness, v2.adjust_contrast, v2.adjust_saturation, v2.adjust_hue)
    for position in change.order:
        image = adjustments[position](image, change.factors[position])
    return image


def blur(images: Tensor, sigmas: Sequence[float], highest: float) -> Tensor:
    """Blur each image by a Gaussian of its own standard deviation; beyond the edge, the edge's pixels are repeated.

    Args:
        images: (N, C, H, W), floating point.
        sigmas: N, in pixels.
        highest: end of their range, by which all kernels have the same length, whatever is in the batch.
    """
    count, channels = images.shape[:2]
    radius = int(TRUNCATE * highest + 0.5)
    positions = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernels = (-((positions / torch.tensor(sigmas)[:, None]) ** 2) / 2).exp()
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    weights = kernels.to(images.device, images.dtype, non_blocking=True)[:, None, None]
    # One channel of one image a group, along rows, then along columns.
    values = functional.pad(images, (radius,) * 4, mode="replicate").flatten(0, 1)[None]
    values = functional.conv2d(values, weights, groups=count * channels)
    values = functional.conv2d(values, weights.mT, groups=count * channels)
    return values.view_as(images)
