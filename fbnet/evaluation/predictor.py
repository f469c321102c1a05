"""Prediction of images of any size: whole or by a sliding window, at one or several scales.

`predict_labels` and `balance_map` need bounded memory, however large the image. With P = MAX_PIXELS, C classes and a
network that needs A bytes for each pixel passing through it at once, input and logits included, the bound is

    (4 V C + 48) P + A B  bytes:

- V maps of C float32 values per pixel: one for the logits at a single scale; three with several scales or the mirror
  image (the running sum, and the logits of a view before and after they are mirrored or resized);
- up to four float32 copies of the image: original, scaled, mirrored and padded;
- B pixels in the network at once: with a sliding window the larger of BATCH_PIXELS and a tile (`settings.tile`, times
  the largest scale above 1), else P.

Of a larger image, only the uint8 labels or the balance map are kept as a whole.
"""

import logging
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.training import OUTPUT_STRIDE, Precision
from fbnet.data.normalisation import normalise
from fbnet.evaluation.tiling import Size, Window, batch_size, chunks, feature_window, scaled_size, tiles
from fbnet.models.build import SegmentationNetwork
from fbnet.models.resize import resize_to
from fbnet.runtime.memory import ran_out, within_memory
from fbnet.runtime.precision import autocast

BAND_ROWS = 64  # of the softmax at once

logger = logging.getLogger(__name__)


@torch.inference_mode()
def predict_labels(
    network: SegmentationNetwork, image: np.ndarray, settings: EvaluationConfig, device: torch.device
) -> np.ndarray:
    """Predict the class of each pixel in bounded memory.

    An image of more than MAX_PIXELS at the largest scale (at scale 1 if all are smaller) is cut into chunks with a
    margin of context around them; only then can the result differ from the highest value of `predict`.

    Args:
        network: network of at most 256 classes, in evaluation mode, on the device.
        image: (H, W, 3) uint8, of any size.
        settings: windows and scales, as for `predict`.
        device: where to compute.

    Returns:
        (H, W) uint8 train ids.

    Raises:
        InputError: if a single tile does not fit into memory; batches of several tiles are halved first.
    """

    def labels_of(part: np.ndarray) -> tuple[Tensor]:
        return (predict(network, part, settings, device).argmax(dim=0),)

    return _chunk_by_chunk(labels_of, network, image, settings, device, maps=1)[0]


@torch.inference_mode()
def predict_plain_and_mirrored(
    network: SegmentationNetwork, image: np.ndarray, settings: EvaluationConfig, device: torch.device
) -> np.ndarray:
    """Predict as `predict_labels` at scale 1, and once more by the mean with the mirrored image.

    The logits of the image are computed once for both.

    Returns:
        (2, H, W) uint8 train ids: without and with the mirrored image, each as `predict_labels` gives them.

    Raises:
        InputError: as `predict_labels`.
    """

    def labels_of(part: np.ndarray) -> tuple[Tensor, Tensor]:
        values = _normalised(network, part, device)
        logits = _logits(network, values, settings, 1.0)[0]
        plain, total = logits.argmax(dim=0), _add_softmax(None, logits)
        del logits  # before those of the mirrored image are computed
        total = _add_softmax(total, _view_logits(network, values, settings, 1.0, mirror=True, like=values))
        return plain, total.argmax(dim=0)

    return _chunk_by_chunk(labels_of, network, image, settings, device, maps=2)


@torch.inference_mode()
def predict(
    network: SegmentationNetwork, image: np.ndarray, settings: EvaluationConfig, device: torch.device
) -> Tensor:
    """Predict a value for each class and pixel, of which the highest is the prediction.

    The values are logits at a single scale, else the mean of the softmax over scales and mirror images. Memory grows
    with the image; `predict_labels` bounds it.

    Args:
        network: in evaluation mode, on the device.
        image: (H, W, 3) uint8, of any size.
        settings: whole image or overlapping tiles whose logits are averaged, scales, mirror image, precision.
        device: where to compute.

    Returns:
        (classes, H, W) float32 on the device.
    """
    values = _normalised(network, image, device)
    if settings.scales == (1.0,) and not settings.mirror:
        return _logits(network, values, settings, 1.0)[0]
    total = None
    for scale in settings.scales:
        scaled = _rescaled(values, scale)
        for mirror in (False, True)[: 1 + settings.mirror]:
            # The logits have no name, so that they are freed before the next ones are computed.
            total = _add_softmax(total, _view_logits(network, scaled, settings, scale, mirror=mirror, like=values))
    return total.div_(len(settings.scales) * (1 + settings.mirror))


def _chunk_by_chunk(
    labels_of: Callable[[np.ndarray], tuple[Tensor, ...]],
    network: SegmentationNetwork,
    image: np.ndarray,
    settings: EvaluationConfig,
    device: torch.device,
    *,
    maps: int,
) -> np.ndarray:
    """Predict label maps (maps, H, W), uint8, of an image (H, W, 3) in bounded memory."""
    size = image.shape[:2]
    label = f"an image of {size[0]} x {size[1]} pixels"
    with within_memory(label, device, "set evaluation.mode to sliding, with a smaller evaluation.tile"):
        labels = np.empty((maps, *size), dtype=np.uint8)
        for chunk in chunks(size, settings.scales, multiple=_largest_stride(network)):
            for whole, predicted in zip(labels, labels_of(image[chunk.seen]), strict=True):
                whole[chunk.kept] = predicted.byte()[chunk.inner].cpu().numpy()
    return labels


def modulated_stage(network: SegmentationNetwork) -> str | None:
    """Deepest stage with a feature modulator, whose X_o figures show; None without any."""
    stages = [name for name, balance in network.balance.items() if balance.modulator is not None]
    return max(stages, default=None)  # names sort from res2 to res5


@torch.inference_mode()
def balance_map(
    network: SegmentationNetwork, image: np.ndarray, device: torch.device, precision: Precision = "auto"
) -> np.ndarray | None:
    """Mean over channels of X_o after the deepest stage with a feature modulator (Fig. 7).

    Args:
        network: network in evaluation mode, on the device.
        image: (H, W, 3) uint8; one of more than MAX_PIXELS is cut into chunks.
        device: where to compute.
        precision: of the forward pass.

    Returns:
        (ceil(H/s), ceil(W/s)) float32, s being the stage's stride; None without modulator.
    """
    stage = modulated_stage(network)
    if stage is None:
        return None
    stride = network.backbone.strides[stage]
    means = np.empty([-(-side // stride) for side in image.shape[:2]], dtype=np.float32)
    for chunk in chunks(image.shape[:2], multiple=_largest_stride(network)):
        mean = _mean_x_o(network, stage, _normalised(network, image[chunk.seen], device), precision)
        means[feature_window(chunk.kept, stride)] = mean[feature_window(chunk.inner, stride)].cpu().numpy()
    return means


def _mean_x_o(network: SegmentationNetwork, stage: str, values: Tensor, precision: Precision) -> Tensor:
    """Mean over channels (h, w) of X_o after a stage, of an image (1, 3, H, W)."""
    kept = []
    modulator = network.balance[stage].modulator
    with modulator.register_forward_hook(lambda _module, _inputs, x_o: kept.append(x_o[0].float().mean(dim=0))):
        _forward(network, _padded(values), precision)
    return kept[0]


def _rescaled(values: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return values
    return interpolate(values, scaled_size(values.shape[-2:], scale), mode="bilinear", antialias=True)


def _view_logits(
    network: SegmentationNetwork,
    scaled: Tensor,
    settings: EvaluationConfig,
    scale: float,
    *,
    mirror: bool,
    like: Tensor,
) -> Tensor:
    """Logits (classes, H, W) of an image (1, 3, h, w) at a scale or its mirror image, at the size of `like`."""
    logits = _logits(network, scaled.flip(-1) if mirror else scaled, settings, scale)
    if mirror:
        logits = logits.flip(-1)
    return resize_to(logits, like)[0]


def _add_softmax(total: Tensor | None, logits: Tensor) -> Tensor:
    """Add the softmax of logits (classes, H, W) to a sum, None at first, in place.

    Bands of rows bound the memory: softmax over the whole map would need twice that of the logits.
    """
    if total is None:
        total = logits.new_zeros(logits.shape)
    for total_rows, rows in zip(total.split(BAND_ROWS, dim=1), logits.split(BAND_ROWS, dim=1), strict=True):
        total_rows += rows.softmax(dim=0)
    return total


def _logits(network: SegmentationNetwork, values: Tensor, settings: EvaluationConfig, scale: float) -> Tensor:
    """Logits (1, classes, H, W) of an image (1, 3, H, W) at a scale, the mean where tiles overlap."""
    height, width = values.shape[-2:]
    windows, padded = tiles((height, width), settings, scale), _padded(values)
    if len(windows) == 1:
        logits = _forward(network, padded, settings.precision)
    else:
        logits = _sliding_logits(network, padded, windows, settings.precision)
    return logits[..., :height, :width]


def _sliding_logits(
    network: SegmentationNetwork, padded: Tensor, windows: list[Window], precision: Precision
) -> Tensor:
    """Mean logits of overlapping tiles; batches are halved when they do not fit into memory."""
    total, done, count = None, 0, batch_size(windows[0])
    while done < len(windows):
        batch = windows[done : done + count]
        try:
            values = [padded[..., *window] for window in batch]  # views
            total = _add_tiles(total, padded.shape[-2:], batch, _forward(network, torch.cat(values), precision))
            done += len(batch)
            continue
        except RuntimeError as error:
            if len(batch) == 1 or not ran_out(error):
                raise
        torch.cuda.empty_cache()  # after the handler, as its traceback holds tensors
        count = len(batch) // 2
        _warn_halved(len(batch), count)
    counts = padded.new_zeros(padded.shape[-2:])
    for window in windows:
        counts[window] += 1
    return total.div_(counts)


@cache  # once for each size
def _warn_halved(tiles: int, half: int) -> None:
    logger.warning("out of memory with %d tiles in a batch; continuing with %d", tiles, half)


def _add_tiles(total: Tensor | None, size: Size, windows: list[Window], batch: Tensor) -> Tensor:
    """Add logits (tiles, classes, h, w) to a sum (1, classes, H, W), None at first, in place."""
    if total is None:
        total = batch.new_zeros((1, batch.shape[1], *size))
    for window, logits in zip(windows, batch, strict=True):
        total[0, :, *window] += logits
    return total


def padded_input(network: SegmentationNetwork, image: np.ndarray, device: torch.device) -> Tensor:
    """Normalised image (1, 3, H, W) from (H, W, 3) uint8, padded to multiples of the network's largest stride."""
    return _padded(_normalised(network, image, device), _largest_stride(network))


def _normalised(network: SegmentationNetwork, image: np.ndarray, device: torch.device) -> Tensor:
    """Normalised image (1, 3, H, W) from (H, W, 3) uint8."""
    return normalise(torch.tensor(image)[None], device, network.backbone.normalisation)


def _padded(values: Tensor, multiple: int = OUTPUT_STRIDE) -> Tensor:
    """Normalised image (1, 3, H, W), padded by the mean colour to multiples of a number of pixels."""
    height, width = values.shape[-2:]
    return pad(values, (0, -width % multiple, 0, -height % multiple))


def _largest_stride(network: SegmentationNetwork) -> int:
    return max(network.backbone.strides.values())


def _forward(network: SegmentationNetwork, values: Tensor, precision: Precision) -> Tensor:
    """Logits of normalised images; a network of a larger stride than OUTPUT_STRIDE sees them padded to its own."""
    height, width = values.shape[-2:]
    stride = _largest_stride(network)
    with autocast(precision, values.device):
        seen = values if height % stride == width % stride == 0 else _padded(values, stride)
        return network(seen)["out"][..., :height, :width]
