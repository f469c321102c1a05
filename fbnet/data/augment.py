"""Random scale, flip and crop of one training sample (Sec. 4.1), read from its own window of the image only."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fbnet.config.labels import IGNORE_INDEX
from fbnet.data.normalisation import FILL

PHASE = 1 / 128  # source pixels that a crop may lie off its place, see `_span`


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
    cut = resampled(image, window, crop), picked(labels, window, crop)
    if cut[1].shape != crop:
        left = crop[1] - cut[1].shape[1] if window.flip else 0
        cut = tuple(_filled(values, canvas, left) for values, canvas in zip(cut, _canvases(crop), strict=True))
    return tuple(values.contiguous().numpy() for values in cut)


def resampled(image: np.ndarray, window: Crop, crop: tuple[int, int]) -> Tensor:
    """The window of the image (H, W, 3), as far as the image reaches."""
    cut = _resize(torch.from_numpy(image), window.scaled, _places(window, crop))
    # Mirrored by torch, which is ten times as fast at it as numpy.
    return cut.flip(1) if window.flip else cut


def picked(labels: np.ndarray, window: Crop, crop: tuple[int, int]) -> Tensor:
    """The window of the labels (H, W), as far as they reach."""
    rows, columns = (
        _nearest(whole, scaled, place)
        for whole, scaled, place in zip(labels.shape, window.scaled, _places(window, crop), strict=True)
    )
    if window.flip:
        columns = columns[::-1]
    # Picking columns is the slow part, and so done on the fewer rows.
    there = labels[rows[0] : rows[-1] + 1]
    if len(there) < len(rows):
        return torch.from_numpy(there.take(columns, axis=1).take(rows - rows[0], axis=0))
    return torch.from_numpy(labels.take(rows, axis=0).take(columns, axis=1))


def _places(window: Crop, crop: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the scaled image that the crop shows."""
    return tuple(
        slice(start, start + min(side, whole))
        for start, side, whole in zip((window.top, window.left), crop, window.scaled, strict=True)
    )


def _nearest(whole: int, scaled: int, place: slice) -> np.ndarray:
    """The source pixels that hold the centres of the scaled pixels of a place."""
    return (2 * np.arange(place.start, place.stop) + 1) * whole // (2 * scaled)


def _resize(image: Tensor, scaled: tuple[int, int], window: tuple[slice, slice]) -> Tensor:
    """What the window would be after resizing the whole image, from the part of it that the filter reaches."""
    parts, factors, places = zip(*map(_span, image.shape, scaled, window), strict=True)
    # A batch from the beginning, as torch sees by the strides of one that it may keep a pixel's channels together.
    part = image[None, *parts].permute(0, 3, 1, 2)
    resized = functional.interpolate(part, scale_factor=factors, mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0)[places]


def _span(whole: int, scaled: int, window: slice) -> tuple[slice, float, slice]:
    """Of one axis: the part that the filter reaches from the window, its factor, and the window in the part, scaled.

    A part is resized by itself as if it began with the edge of a scaled pixel. It does to less than PHASE of a pixel,
    as it begins that much before the window that the edges of a source pixel and of a scaled one meet.
    """
    step = whole / scaled
    reach = max(1.0, step)  # of the filter, in source pixels
    firsts = np.arange(max(0, window.start - math.ceil(reach / step)), -1, -1)
    before, after = firsts * whole % scaled, -firsts * whole % scaled
    first = int(firsts[np.argmax(np.minimum(before, after) <= PHASE * scaled)])  # the last; at 0 they meet
    start, stop = round(first * step), min(whole, math.ceil(window.stop * step + reach))
    # The length times the factor is rounded down, and may not lose the last pixel of the image.
    factor = math.nextafter(max(scaled / whole, (window.stop - first) / (stop - start)), math.inf)
    if scaled != whole and int((stop - start) * factor) == stop - start:  # which torch would leave as it is
        return slice(0, whole), math.nextafter(scaled / whole, math.inf), window
    return slice(start, stop), factor, slice(window.start - first, window.stop - first)


def _filled(values: Tensor, canvas: Tensor, left: int) -> Tensor:
    """The canvas, covered by the values from its upper edge and a column on."""
    filled = canvas.clone()
    filled[: values.shape[0], left : left + values.shape[1]] = values
    return filled


@lru_cache(maxsize=1)
def _canvases(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """What an image and its labels are beyond the edge; kept, as filling by a colour takes as long as the resizing."""
    image = torch.tensor(FILL, dtype=torch.uint8).repeat(*size, 1)
    return image, torch.full(size, IGNORE_INDEX, dtype=torch.uint8)
