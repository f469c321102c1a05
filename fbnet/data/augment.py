"""Random scale, flip and crop of one training sample (Sec. 4.1), read from its own window of the image only."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fbnet.data.specs import IGNORE_INDEX

# ImageNet's mean and standard deviation in 0 to 255, which images are normalised by where they are consumed.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
FILL = tuple(round(value) for value in MEAN)  # beyond the image's edge
MARGIN = 2  # source pixels that a bilinear filter reaches beyond the crop when it enlarges


@dataclass(frozen=True)
class Crop:
    """A random crop: of which window of the scaled image, mirrored or not."""

    scaled: tuple[int, int]
    """Height and width of the whole scaled image."""
    top: int
    left: int
    flip: bool


def draw_crop(
    size: tuple[int, int],
    crop: tuple[int, int],
    scale: tuple[float, float],
    rng: np.random.Generator,
    centre: tuple[float, float] | None = None,
) -> Crop:
    """Draws scale, place and mirroring for an image of `size` (height, width).

    Where the scaled image is smaller than the crop, the crop begins at its edge and is filled up.

    Args:
        size: of the image.
        crop: height and width of the crop.
        scale: range of the resizing.
        rng: what draws.
        centre: row and column of the image that come to lie in the crop's centre, as far as the image's edges allow,
            in place of a random place.
    """
    factor = rng.uniform(*scale)
    scaled = tuple(max(1, round(side * factor)) for side in size)
    spaces = tuple(max(0, whole - part) for whole, part in zip(scaled, crop, strict=True))
    if centre is None:
        top, left = (int(rng.integers(space + 1)) for space in spaces)
    else:
        # the middle of a pixel is half a pixel from its edge, and stays at the same share of the image's side
        middles = ((place + 0.5) / side * whole for place, side, whole in zip(centre, size, scaled, strict=True))
        starts = (round(middle - part / 2) for middle, part in zip(middles, crop, strict=True))
        top, left = (min(max(0, start), space) for start, space in zip(starts, spaces, strict=True))
    return Crop(scaled=scaled, top=top, left=left, flip=bool(rng.integers(2)))


def take_crop(
    image: np.ndarray, labels: np.ndarray, window: Crop, crop: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts and resizes the window, the image by an antialiased bilinear filter, the labels by the nearest pixel.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8.
        window: what to cut.
        crop: height and width of the result.

    Returns:
        (h, w, 3) uint8 and (h, w) uint8; beyond the image's edge the mean colour and 255.
    """
    out_image = np.empty((*crop, 3), dtype=np.uint8)
    out_image[:] = FILL
    out_labels = np.full(crop, IGNORE_INDEX, dtype=np.uint8)
    height = min(crop[0], window.scaled[0])
    width = min(crop[1], window.scaled[1])
    out_image[:height, :width] = _resize(image, window, (height, width))
    rows = _nearest(labels.shape[0], window.scaled[0], window.top, height)
    columns = _nearest(labels.shape[1], window.scaled[1], window.left, width)
    out_labels[:height, :width] = labels[rows[:, None], columns]
    if window.flip:
        return out_image[:, ::-1].copy(), out_labels[:, ::-1].copy()
    return out_image, out_labels


def _nearest(whole: int, scaled: int, start: int, length: int) -> np.ndarray:
    """The source pixels that hold the centres of the scaled pixels `start` to `start + length`."""
    return (2 * np.arange(start, start + length) + 1) * whole // (2 * scaled)


def _resize(image: np.ndarray, window: Crop, size: tuple[int, int]) -> np.ndarray:
    """What the window would be after resizing the whole image, from the part of it that the filter reaches."""
    begin, end, box = [], [], []
    for whole, scaled, start, length in zip(image.shape, window.scaled, (window.top, window.left), size, strict=False):
        step = whole / scaled
        margin = math.ceil(MARGIN * max(1.0, step))
        first = max(0, math.floor(start * step) - margin)
        begin.append(first)
        end.append(min(whole, math.ceil((start + length) * step) + margin))
        box.append((start * step - first, (start + length) * step - first))
    part = Image.fromarray(image[begin[0] : end[0], begin[1] : end[1]])
    edges = (box[1][0], box[0][0], min(box[1][1], part.width), min(box[0][1], part.height))
    return np.asarray(part.resize(size[::-1], Image.Resampling.BILINEAR, box=edges))
