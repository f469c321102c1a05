"""Random colours and blur of a training crop; labels have no part in it. NOTE not in the paper."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from fbnet.config.training import PhotometricConfig


def change_colours(image: np.ndarray, settings: PhotometricConfig, rng: np.random.Generator) -> np.ndarray:
    """Colour jitter, then Gaussian blur.

    NOTE every crop is blurred, as in the family of codes that the range of the blur is from; the least blur of that
    range changes nothing.

    Args:
        image: (h, w, 3) uint8 RGB.
        settings: how far both may go.
        rng: what draws.

    Returns:
        (h, w, 3) uint8.
    """
    changed = jitter(Image.fromarray(image), settings.jitter, rng)
    return np.array(blur(changed, rng.uniform(*settings.blur)))


def jitter(image: Image.Image, amount: float, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast, saturation and hue in a random order, as torchvision's ColorJitter does.

    The first three are multiplied by factors from 1 - amount to 1 + amount, hue is turned by -amount to amount of the
    circle; an amount of 0 changes nothing.
    """
    if amount == 0:  # turning the hue goes through 8 bits of HSV, which is not the identity even for no turn
        return image
    factors = [*rng.uniform(1 - amount, 1 + amount, 3), rng.uniform(-amount, amount)]
    changes = adjustments()
    for position in rng.permutation(len(changes)):
        image = changes[position](image, float(factors[position]))
    return image


def adjustments() -> tuple[Callable[[Image.Image, float], Image.Image], ...]:
    """Brightness, contrast, saturation and hue, each of which changes an image by a number."""
    # Imported here, which takes as long as torch itself: only trainings that change colours wait for it.
    from torchvision.transforms.v2 import functional

    return functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation, functional.adjust_hue


def blur(image: Image.Image, sigma: float) -> Image.Image:
    """Gaussian blur of this standard deviation in pixels, by Pillow's box filters of the same variance."""
    return image.filter(ImageFilter.GaussianBlur(sigma))
