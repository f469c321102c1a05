"""From an image of any size to what the network says of it: in one piece or by a sliding window, at scales.

Memory has a bound that no image raises, `predict_labels` and `balance_map` keep to it. With P = MAX_PIXELS, C classes
and a network that needs A bytes for each pixel that goes through it at once, with its input and its logits, it is

    (4 V C + 48) P + A B  bytes:

- V maps of C float32 values a pixel: one for the logits at a single scale; three with several scales or the mirror
  image (the sum so far, and the logits of a view before and after they are mirrored or resized);
- the image as float32 up to four times: as it is, scaled, mirrored and padded;
- B pixels in the network at once: the larger of a tile (`settings.tile`, times the largest scale above 1) and
  BATCH_PIXELS with a sliding window, else P.

What is kept of a whole large image is its map of uint8 labels.

NOTE not in the paper: its images are smaller than MAX_PIXELS, and predicted as they are.
"""

import math
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.training import OUTPUT_STRIDE, Precision
from fbnet.data.normalisation import normalise
from fbnet.models.build import SegmentationNetwork
from fbnet.models.layers import resize_to
from fbnet.runtime.memory import ran_out, within_memory
from fbnet.runtime.precision import autocast

MAX_PIXELS = 4096 * 6144  # of an image at its largest scale, or at 1; a larger one is predicted in pieces
MARGIN = 16  # a piece's side is so many margins: the context that it has beyond a cut
BATCH_PIXELS = 1024 * 1024  # of small tiles together; on a CPU larger batches are slower than single tiles
BAND_ROWS = 64  # of probabilities at once

Window = tuple[slice, slice]  # rows and columns


@torch.inference_mode()
def predict_labels(
    network: SegmentationNetwork, image: np.ndarray, settings: EvaluationConfig, device: torch.device
) -> np.ndarray:
    """The predicted class of each pixel, in bounded memory.

    The class of the highest value of `predict`. An image of more than MAX_PIXELS at the largest scale (at scale 1 if
    all are smaller) is cut into equal pieces, each predicted by itself with a margin of context around it: then, and
    only then, the result can differ from that of the whole image.

    Args:
        network, image, settings, device: as for `predict`; the network has at most 256 classes.

    Returns:
        (H, W) uint8 train ids.

    Raises:
        InputError: if memory does not hold what a single tile needs; several at once are halved before.
    """
    size = image.shape[:2]
    place = f"an image of {size[0]} x {size[1]} pixels"
    with within_memory(place, device, "set evaluation.mode to sliding, with a smaller evaluation.tile"):
        labels = np.empty(size, dtype=np.uint8)
        for piece in pieces(size, math.floor(MAX_PIXELS / max(1.0, *settings.scales) ** 2)):
            # Without a name for the values, or they would still be there while those of the next piece are made.
            predicted = predict(network, image[piece.seen], settings, device).argmax(dim=0).byte()
            labels[piece.kept] = predicted[piece.inner].cpu().numpy()
    return labels


@torch.inference_mode()
def predict(
    network: SegmentationNetwork, image: np.ndarray, settings: EvaluationConfig, device: torch.device
) -> Tensor:
    """What the network says of each class at each pixel; the highest is the prediction.

    At one scale these are logits, otherwise the mean of the softmax over scales and mirror images. Memory grows with
    the image; `predict_labels` bounds it.

    Args:
        network: in evaluation mode, on the device.
        image: (H, W, 3) uint8, of any size.
        settings: in one piece (`whole`) or in overlapping tiles whose logits are averaged (`sliding`), at which scales.
        device: where to compute.

    Returns:
        (classes, H, W) float32 on the device.
    """
    values = _values(image, device)
    if settings.scales == (1.0,) and not settings.mirror:
        return _logits_of(network, values, _tiling(values, settings, 1.0), settings.precision)[0]
    total = None
    for scale in settings.scales:
        scaled = _scaled(values, scale)
        tiling = _tiling(scaled, settings, scale)
        for mirror in (False, True)[: 1 + settings.mirror]:
            # Logits have no name in this loop, or they would still be there while the next ones are made.
            total = _plus_probabilities(total, _view(network, scaled, tiling, values, mirror, settings.precision))
    return total.div_(len(settings.scales) * (1 + settings.mirror))


def modulated_stage(network: SegmentationNetwork) -> str | None:
    """The deepest stage with a feature modulator, whose X_o pictures show; None without any."""
    stages = [name for name, balance in network.balance.items() if balance.modulator is not None]
    return max(stages, default=None)  # res2 to res5 are in the order of their names


@torch.inference_mode()
def balance_map(
    network: SegmentationNetwork, image: np.ndarray, device: torch.device, precision: Precision = "auto"
) -> np.ndarray | None:
    """The mean over channels of X_o after the deepest stage with a feature modulator (Fig. 7), None without any.

    Of an image of more than MAX_PIXELS it is made in pieces, as by `predict_labels`; `precision` is that of the
    evaluation.

    Returns:
        (ceil(H/s), ceil(W/s)) float32, s being the stage's stride.
    """
    stage = modulated_stage(network)
    if stage is None:
        return None
    stride = network.backbone.strides[stage]
    means = np.empty([-(-side // stride) for side in image.shape[:2]], dtype=np.float32)
    for piece in pieces(image.shape[:2], MAX_PIXELS):
        mean = _mean_x_o(network, stage, _values(image[piece.seen], device), precision)
        means[_features(piece.kept, stride)] = mean[_features(piece.inner, stride)].cpu().numpy()
    return means


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of an image that is predicted by itself."""

    kept: Window
    """Where its prediction stands; these parts fill the image and do not overlap."""
    seen: Window
    """What the network sees of the image: the same with a margin around it, as far as the image reaches."""

    @property
    def inner(self) -> Window:
        """`kept` in the coordinates of `seen`."""
        return tuple(
            slice(kept.start - seen.start, kept.stop - seen.start)
            for kept, seen in zip(self.kept, self.seen, strict=True)
        )


def pieces(size: tuple[int, int], pixels: int) -> list[Piece]:
    """The pieces of an image of a size, none of which sees more than a number of pixels; one if the image has no more.

    Every cut is at a multiple of the output stride, so that the pieces' features lie where the image's do.
    """
    if math.prod(size) <= pixels:
        whole = tuple(slice(0, length) for length in size)
        return [Piece(kept=whole, seen=whole)]
    side = max(OUTPUT_STRIDE, math.isqrt(pixels))
    rows, columns = (_parts(length, side) for length in size)
    return [
        Piece(kept=(kept_rows, kept_columns), seen=(seen_rows, seen_columns))
        for (kept_rows, seen_rows), (kept_columns, seen_columns) in product(rows, columns)
    ]


def tile_starts(length: int, tile: int, stride: int) -> list[int]:
    """Where tiles begin so that they cover the length; the last one ends with it."""
    last = max(0, length - tile)
    return [*range(0, last, stride), last]


def _parts(length: int, side: int) -> list[tuple[slice, slice]]:
    """Equal parts of a length, and the same with a margin on both sides, at most `side` long."""
    if length <= side:
        return [(slice(0, length), slice(0, length))]
    margin = side // MARGIN // OUTPUT_STRIDE * OUTPUT_STRIDE
    longest = (side - 2 * margin) // OUTPUT_STRIDE * OUTPUT_STRIDE
    step = _multiple(length / math.ceil(length / longest), OUTPUT_STRIDE)
    kept = [slice(start, min(start + step, length)) for start in range(0, length, step)]
    return [(part, slice(max(0, part.start - margin), min(part.stop + margin, length))) for part in kept]


def _features(window: Window, stride: int) -> Window:
    """A window of the image as that of its features, whose last ones may reach beyond the image."""
    return tuple(slice(part.start // stride, -(-part.stop // stride)) for part in window)


def _mean_x_o(network: SegmentationNetwork, stage: str, values: Tensor, precision: Precision) -> Tensor:
    """The mean over channels (h, w) of X_o after a stage, of an image (1, 3, H, W) padded to the output stride."""
    kept = []
    modulator = network.balance[stage].modulator
    with modulator.register_forward_hook(lambda _module, _inputs, x_o: kept.append(x_o[0].float().mean(dim=0))):
        _logits(network, _padded(values), precision)
    return kept[0]


@dataclass(frozen=True)
class _Tiling:
    """Tiles of one size that cover a padded image."""

    size: tuple[int, int]
    tiles: list[Window]
    device: torch.device

    @property
    def at_once(self) -> int:
        """As many tiles as BATCH_PIXELS hold, but one at least."""
        return max(1, BATCH_PIXELS // math.prod(part.stop - part.start for part in self.tiles[0]))

    @cached_property
    def counts(self) -> Tensor:
        """How many tiles each pixel is in, (H, W) float32."""
        counts = torch.zeros(self.size, device=self.device)
        for tile in self.tiles:
            counts[tile] += 1
        return counts


def _tiling(values: Tensor, settings: EvaluationConfig, scale: float) -> _Tiling:
    """The tiles of an image (1, 3, H, W) at a scale; in one piece, a single tile."""
    size = tuple(_multiple(length, OUTPUT_STRIDE) for length in values.shape[-2:])
    if settings.mode == "whole":
        tile = stride = size
    else:
        tile = tuple(_multiple(side * max(1.0, scale), OUTPUT_STRIDE) for side in settings.tile)
        stride = tuple(round(step * max(1.0, scale)) for step in settings.stride)
    rows, columns = (
        [slice(start, min(start + side, length)) for start in tile_starts(length, side, step)]
        for length, side, step in zip(size, tile, stride, strict=True)
    )
    return _Tiling(size, list(product(rows, columns)), values.device)


def _scaled(values: Tensor, scale: float) -> Tensor:
    """The image (1, 3, H, W) at a scale."""
    if scale == 1:
        return values
    size = [max(1, round(side * scale)) for side in values.shape[-2:]]
    return interpolate(values, size, mode="bilinear", antialias=True)


def _view(
    network: SegmentationNetwork, scaled: Tensor, tiling: _Tiling, like: Tensor, mirror: bool, precision: Precision
) -> Tensor:
    """Logits (classes, H, W), of the size of `like`, from the image (1, 3, h, w) at a scale, mirrored or not."""
    logits = _logits_of(network, scaled.flip(-1) if mirror else scaled, tiling, precision)
    if mirror:
        logits = logits.flip(-1)
    return resize_to(logits, like)[0]


def _plus_probabilities(total: Tensor | None, logits: Tensor) -> Tensor:
    """Adds the softmax of logits (classes, H, W) to a sum, None at first, in place.

    A band of rows at a time, as the softmax and what it copies would take the memory of the logits twice again.
    """
    if total is None:
        total = logits.new_zeros(logits.shape)
    for total_rows, rows in zip(total.split(BAND_ROWS, dim=1), logits.split(BAND_ROWS, dim=1), strict=True):
        total_rows += rows.softmax(dim=0)
    return total


def _logits_of(network: SegmentationNetwork, values: Tensor, tiling: _Tiling, precision: Precision) -> Tensor:
    """Logits (1, classes, H, W) of an image (1, 3, H, W) of any size, the mean where tiles overlap."""
    padded = _padded(values)
    one = len(tiling.tiles) == 1
    logits = _logits(network, padded, precision) if one else _sliding(network, padded, tiling, precision)
    return logits[..., : values.shape[-2], : values.shape[-1]]


def _sliding(network: SegmentationNetwork, padded: Tensor, tiling: _Tiling, precision: Precision) -> Tensor:
    total, done, count = None, 0, tiling.at_once
    while done < len(tiling.tiles):
        tiles = tiling.tiles[done : done + count]
        added = _plus_batch(total, network, padded, tiling.size, tiles, precision)
        if added is None:
            count = len(tiles) // 2
            _say_halved(len(tiles), count)
        else:
            total, done = added, done + len(tiles)
    return total.div_(tiling.counts)


def _plus_batch(
    total: Tensor | None,
    network: SegmentationNetwork,
    padded: Tensor,
    size: tuple[int, int],
    tiles: list[Window],
    precision: Precision,
) -> Tensor | None:
    """`_plus_tiles` of the tiles' logits; None where memory does not hold so many tiles at once."""
    try:
        values = torch.cat([padded[..., *tile] for tile in tiles])
        return _plus_tiles(total, size, tiles, _logits(network, values, precision))
    except RuntimeError as error:
        if len(tiles) == 1 or not ran_out(error):
            raise
    torch.cuda.empty_cache()
    return None


@cache
def _say_halved(tiles: int, half: int) -> None:
    """Says it once."""
    print(f"fbnet: out of memory with {tiles} tiles at once; goes on with {half}", file=sys.stderr, flush=True)


def _plus_tiles(total: Tensor | None, size: tuple[int, int], tiles: list[Window], batch: Tensor) -> Tensor:
    """Adds logits (tiles, classes, h, w) to a sum (1, classes, H, W), None at first, in place."""
    if total is None:
        total = batch.new_zeros((1, batch.shape[1], *size))
    for tile, logits in zip(tiles, batch, strict=True):
        total[0, :, *tile] += logits
    return total


def _multiple(length: float, step: int) -> int:
    return math.ceil(length / step) * step


def _values(image: np.ndarray, device: torch.device) -> Tensor:
    """An image (H, W, 3) uint8 as normalised (1, 3, H, W)."""
    return normalise(torch.tensor(image)[None], device)


def _padded(values: Tensor) -> Tensor:
    """(1, 3, H', W'): normalised images filled up by the mean colour to multiples of the output stride."""
    height, width = values.shape[-2:]
    return pad(values, (0, -width % OUTPUT_STRIDE, 0, -height % OUTPUT_STRIDE))


def _logits(network: SegmentationNetwork, values: Tensor, precision: Precision) -> Tensor:
    with autocast(precision, values.device):
        return network(values)["out"]
