"""Chunks and tiles that images are cut into for prediction. Imports no torch.

A large image is predicted chunk by chunk, so that memory stays bounded. A sliding window covers an image, or a chunk of
it, with overlapping tiles.

NOTE not in the paper: its images have fewer than MAX_PIXELS and are predicted in one chunk.
"""

import math
from dataclasses import dataclass
from itertools import product

from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.training import OUTPUT_STRIDE

MAX_PIXELS = 4096 * 6144  # of a chunk at its largest scale
MARGIN = 16  # a chunk's side in multiples of the margin, the context beyond a cut
BATCH_PIXELS = 1024 * 1024  # of a batch of small tiles; on a CPU larger batches are slower than single tiles

Size = tuple[int, int]  # height and width
Window = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class Chunk:
    """Part of an image that is predicted on its own."""

    kept: Window
    """Window whose prediction is kept; the kept windows of an image cover it without overlap."""
    seen: Window
    """Window that the network sees: `kept` with a margin around it, as far as the image reaches."""

    @property
    def inner(self) -> Window:
        """`kept` in the coordinates of `seen`."""
        return tuple(
            slice(kept.start - seen.start, kept.stop - seen.start)
            for kept, seen in zip(self.kept, self.seen, strict=True)
        )


def chunks(size: Size, scales: tuple[float, ...] = (1.0,), multiple: int = OUTPUT_STRIDE) -> list[Chunk]:
    """Cut an image into chunks that see at most MAX_PIXELS at the largest scale, or at 1 if all scales are smaller.

    An image that is not larger is a single chunk. All cuts are at multiples of `multiple`, the network's largest
    stride, so that the features of a chunk align with those of the image.
    """
    max_pixels = math.floor(MAX_PIXELS / max(1.0, *scales) ** 2)
    side = max(size) if math.prod(size) <= max_pixels else max(multiple, math.isqrt(max_pixels))
    rows, columns = (_spans(length, side, multiple) for length in size)
    return [Chunk(kept=(top, left), seen=(above, before)) for (top, above), (left, before) in product(rows, columns)]


def tiles(size: Size, settings: EvaluationConfig, scale: float) -> list[Window]:
    """Equal tiles that cover an image of `size`, resized by `scale` and padded to multiples of the output stride.

    Without sliding window, they are a single tile. The window grows with scales above 1.
    """
    padded = tuple(_multiple(length) for length in size)
    if settings.mode == "whole":
        tile = stride = padded
    else:
        tile = tuple(_multiple(side * max(1.0, scale)) for side in settings.tile)
        stride = tuple(round(step * max(1.0, scale)) for step in settings.stride)
    rows, columns = (
        [slice(start, min(start + side, length)) for start in tile_starts(length, side, step)]
        for length, side, step in zip(padded, tile, stride, strict=True)
    )
    return list(product(rows, columns))


def tile_starts(length: int, tile: int, stride: int) -> list[int]:
    """Starts of the tiles that cover a length; the last tile ends with it."""
    last = max(0, length - tile)
    return [*range(0, last, stride), last]


def batch_size(tile: Window) -> int:
    """Number of tiles that BATCH_PIXELS hold, at least one."""
    return max(1, BATCH_PIXELS // _area(tile))


def scaled_size(size: Size, scale: float) -> Size:
    """Size of an image resized by `scale`, at least one pixel."""
    return tuple(max(1, round(length * scale)) for length in size)


def seen_pixels(size: Size, settings: EvaluationConfig) -> int:
    """Number of pixels that pass through the network while an image is predicted in one chunk.

    Counts all scales, overlapping tiles, mirror images and padding.
    """
    views = (tiles(scaled_size(size, scale), settings, scale) for scale in settings.scales)
    return sum(len(view) * _area(view[0]) for view in views) * (1 + (settings.mirror or settings.also_mirrored))


def feature_window(window: Window, stride: int) -> Window:
    """Window of the features at a stride; the last ones may reach beyond the image."""
    return tuple(slice(part.start // stride, -(-part.stop // stride)) for part in window)


def _spans(length: int, side: int, multiple: int) -> list[tuple[slice, slice]]:
    """Equal parts of a length, each beside the same with a margin on both sides, at most `side` long."""
    if length <= side:
        return [(slice(0, length), slice(0, length))]
    margin = side // MARGIN // multiple * multiple
    longest = (side - 2 * margin) // multiple * multiple
    step = math.ceil(length / math.ceil(length / longest) / multiple) * multiple
    kept = [slice(start, min(start + step, length)) for start in range(0, length, step)]
    return [(part, slice(max(0, part.start - margin), min(part.stop + margin, length))) for part in kept]


def _area(window: Window) -> int:
    return math.prod(part.stop - part.start for part in window)


def _multiple(length: float) -> int:
    """Smallest multiple of the output stride that is not below a length."""
    return math.ceil(length / OUTPUT_STRIDE) * OUTPUT_STRIDE
