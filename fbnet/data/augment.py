"""Random scale, flip and crop of a training sample (Sec. 4.1), read from the crop's own window of the image only."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fbnet.config.labels import IGNORE_INDEX
from fbnet.data.normalisation import FILL

PHASE = 1 / 128
"""Source pixels by which the content of a crop may be shifted, see `_span`."""


@dataclass(frozen=True)
class Crop:
    """A window of the scaled image, mirrored or not."""

    scaled: tuple[int, int]
    """Height and width of the whole scaled image."""
    top: int
    left: int
    flip: bool

    def window(self, crop: tuple[int, int]) -> tuple[slice, slice]:
        """Return the rows and columns of the scaled image that a crop of this height and width shows."""
        starts = (self.top, self.left)
        return tuple(
            slice(start, start + min(side, whole)) for start, side, whole in zip(starts, crop, self.scaled, strict=True)
        )


def draw_crop(
    size: tuple[int, int],
    crop: tuple[int, int],
    scale: tuple[float, float],
    rng: np.random.Generator,
    shown: tuple[float, float] | None = None,
) -> Crop:
    """Draw scale, position and mirroring of a crop.

    Where the scaled image is smaller than the crop, the crop begins at its edge and is padded.

    Args:
        size: height and width of the image.
        crop: height and width of the crop.
        scale: range of the scale factor.
        rng: random generator.
        shown: row and column of an image pixel that the crop shows, anywhere in it as far as the image's edges allow;
            by default, the crop is anywhere in the image.
    """
    factor = rng.uniform(*scale)
    scaled = tuple(max(1, round(side * factor)) for side in size)
    spaces = tuple(max(0, whole - part) for whole, part in zip(scaled, crop, strict=True))
    if shown is None:
        top, left = (int(rng.integers(space + 1)) for space in spaces)
    else:
        # The middle of a pixel is half a pixel from its edge, and stays at the same fraction of the image's side.
        pixels = (int((index + 0.5) / side * whole) for index, side, whole in zip(shown, size, scaled, strict=True))
        starts = (pixel - int(rng.integers(part)) for pixel, part in zip(pixels, crop, strict=True))
        top, left = (min(max(0, start), space) for start, space in zip(starts, spaces, strict=True))
    return Crop(scaled=scaled, top=top, left=left, flip=bool(rng.integers(2)))


def take_crop(
    image: np.ndarray, labels: np.ndarray, window: Crop, crop: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Cut and resize a window, with an antialiased bilinear filter for the image and the nearest pixel for the labels.

    Args:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8.
        window: window to cut.
        crop: height and width (h, w) of the result.

    Returns:
        (h, w, 3) uint8 and (h, w) uint8, padded by the mean colour and 255 beyond the image's edge.
    """
    cut = crop_image(image, window, crop), crop_labels(labels, window, crop)
    if cut[1].shape != crop:
        left = crop[1] - cut[1].shape[1] if window.flip else 0
        padded = tuple(padding.clone() for padding in _paddings(crop))
        for whole, values in zip(padded, cut, strict=True):
            whole[: values.shape[0], left : left + values.shape[1]] = values
        cut = padded
    return tuple(values.contiguous().numpy() for values in cut)


def crop_image(image: np.ndarray, window: Crop, crop: tuple[int, int]) -> Tensor:
    """Return the window of an image (H, W, 3), not padded."""
    cut = _resize(torch.from_numpy(image), window.scaled, window.window(crop))
    # Flipping in torch is ten times as fast as in numpy.
    return cut.flip(1) if window.flip else cut


def crop_labels(labels: np.ndarray, window: Crop, crop: tuple[int, int]) -> Tensor:
    """Return the window of a label map (H, W), not padded."""
    # Source pixels that hold the centres of the scaled ones.
    rows, columns = (
        (2 * np.arange(part.start, part.stop) + 1) * whole // (2 * scaled)
        for whole, scaled, part in zip(labels.shape, window.scaled, window.window(crop), strict=True)
    )
    if window.flip:
        columns = columns[::-1]
    # Taking columns is the slow part, so it is done where there are fewer rows.
    source = labels[rows[0] : rows[-1] + 1]
    if len(source) < len(rows):
        return torch.from_numpy(source.take(columns, axis=1).take(rows - rows[0], axis=0))
    return torch.from_numpy(labels.take(rows, axis=0).take(columns, axis=1))


def _resize(image: Tensor, scaled: tuple[int, int], window: tuple[slice, slice]) -> Tensor:
    """Return the window of the resized image, computed from the part of the image that the filter reaches."""
    parts, factors, inner = zip(*map(_span, image.shape, scaled, window), strict=True)
    # A batch from the start: from its strides torch sees that it may keep the channels of a pixel together.
    part = image[None, *parts].permute(0, 3, 1, 2)
    resized = functional.interpolate(part, scale_factor=factors, mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0)[inner]


def _span(whole: int, scaled: int, window: slice) -> tuple[slice, float, slice]:
    """Return the source part of one axis that the filter reaches, its scale factor, and the window within the result.

    Resizing a part alone assumes that it begins at the edge of a scaled pixel. That holds to less than PHASE of a
    pixel, because the part begins at the last edge before the window that coincides with the edge of a source pixel.
    """
    step = whole / scaled
    reach = max(1.0, step)  # of the filter, in source pixels
    firsts = np.arange(max(0, window.start - math.ceil(reach / step)), -1, -1)
    before, after = firsts * whole % scaled, -firsts * whole % scaled
    first = int(firsts[np.argmax(np.minimum(before, after) <= PHASE * scaled)])  # at 0 the edges always coincide
    start, stop = round(first * step), min(whole, math.ceil(window.stop * step + reach))
    # torch rounds length times factor down, which must not lose the last pixel of the image.
    factor = math.nextafter(max(scaled / whole, (window.stop - first) / (stop - start)), math.inf)
    if scaled != whole and int((stop - start) * factor) == stop - start:  # torch would skip the resizing
        return slice(0, whole), math.nextafter(scaled / whole, math.inf), window
    return slice(start, stop), factor, slice(window.start - first, window.stop - first)


@lru_cache(maxsize=1)
def _paddings(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return an image and a label map of padding alone; cached, as filling by a colour is as slow as resizing."""
    image = torch.tensor(FILL, dtype=torch.uint8).repeat(*size, 1)
    return image, torch.full(size, IGNORE_INDEX, dtype=torch.uint8)
