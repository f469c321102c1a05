"""Random colours and blur of a training crop. NOTE not in the paper."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from fbnet.config.training import PhotometricConfig


def change_colours(image: np.ndarray, settings: PhotometricConfig, rng: np.random.Generator) -> np.ndarray:
    """Apply colour jitter, then Gaussian blur, to a (h, w, 3) uint8 RGB image.

    NOTE every crop is blurred, as in the code that the range of the blur comes from; at the range's lower end the blur
    changes nothing.
    """
    changed = jitter(Image.fromarray(image), settings.jitter, rng)
    return np.array(blur(changed, rng.uniform(*settings.blur)))


def jitter(image: Image.Image, amount: float, rng: np.random.Generator) -> Image.Image:
    """Change brightness, contrast, saturation and hue in a random order, as torchvision's `ColorJitter` does.

    The factors of the first three are from 1 - amount to 1 + amount; hue turns by -amount to amount of the circle.
    """
    if amount == 0:  # hue goes through 8-bit HSV, which is not the identity even for no turn
        return image
    factors = [*rng.uniform(1 - amount, 1 + amount, 3), rng.uniform(-amount, amount)]
    changes = adjustments()
    for position in rng.permutation(len(changes)):
        image = changes[position](image, float(factors[position]))
    return image


def adjustments() -> tuple[Callable[[Image.Image, float], Image.Image], ...]:
    """Return the functions that adjust brightness, contrast, saturation and hue by a factor."""
    # Importing torchvision takes as long as importing torch; only trainings that change colours wait for it.
    from torchvision.transforms.v2 import functional

    return functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation, functional.adjust_hue


def blur(image: Image.Image, sigma: float) -> Image.Image:
    """Apply a Gaussian blur of standard deviation `sigma` pixels, by Pillow's box filters of the same variance."""
    return image.filter(ImageFilter.GaussianBlur(sigma))
