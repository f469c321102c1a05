"""From an image of any size to what the network says of it: in one piece or by a sliding window, at scales."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from fbnet.device import normalise, precision
from fbnet.models.build import SegmentationNetwork
from fbnet.models.resize import resize_to
from fbnet.recipe import OUTPUT_STRIDE, EvaluationConfig


@torch.inference_mode()
def predict(
    network: SegmentationNetwork, image: np.ndarray, settings: EvaluationConfig, device: torch.device
) -> Tensor:
    """What the network says of each class at each pixel; the highest is the prediction.

    At one scale these are logits, otherwise the mean of the softmax over scales and mirror images. Memory is that of
    the largest scale, however many there are.

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
        return _logits_of(network, values, settings, 1.0, device)[0]
    views = [(scale, mirror) for scale in settings.scales for mirror in (False, True)[: 1 + settings.mirror]]
    return sum(_view(network, values, settings, *view, device) for view in views) / len(views)


def modulated_stage(network: SegmentationNetwork) -> str | None:
    """The deepest stage with a feature modulator, whose X_o pictures show; None without any."""
    stages = [name for name, balance in network.balance.items() if balance.modulator is not None]
    return max(stages, default=None)  # res2 to res5 are in the order of their names


@torch.inference_mode()
def balance_map(network: SegmentationNetwork, image: np.ndarray, device: torch.device) -> np.ndarray | None:
    """The mean over channels of X_o after the deepest stage with a feature modulator (Fig. 7), None without any.

    Returns:
        (ceil(H/s), ceil(W/s)) float32, s being the stage's stride.
    """
    stage = modulated_stage(network)
    if stage is None:
        return None
    kept = []
    hook = network.balance[stage].modulator.register_forward_hook(lambda _module, _inputs, x_o: kept.append(x_o))
    _logits(network, _padded(_values(image, device)), device)
    hook.remove()
    height, width = (-(-side // network.backbone.strides[stage]) for side in image.shape[:2])
    return kept[0][0].float().mean(dim=0)[:height, :width].cpu().numpy()


def tile_starts(length: int, tile: int, stride: int) -> list[int]:
    """Where tiles begin so that they cover the length; the last one ends with it."""
    last = max(0, length - tile)
    return [*range(0, last, stride), last]


def _view(
    network: SegmentationNetwork,
    values: Tensor,
    settings: EvaluationConfig,
    scale: float,
    mirror: bool,
    device: torch.device,
) -> Tensor:
    """Class probabilities (classes, H, W) from the image (1, 3, H, W) at a scale, mirrored or not."""
    size = [max(1, round(side * scale)) for side in values.shape[-2:]]
    scaled = interpolate(values, size, mode="bilinear", antialias=True) if scale != 1 else values
    logits = _logits_of(network, scaled.flip(-1) if mirror else scaled, settings, scale, device)
    logits = resize_to(logits.flip(-1) if mirror else logits, values)
    return logits[0].softmax(dim=0)


def _logits_of(
    network: SegmentationNetwork, values: Tensor, settings: EvaluationConfig, scale: float, device: torch.device
) -> Tensor:
    """Logits (1, classes, H, W) of an image (1, 3, H, W) of any size."""
    padded = _padded(values)
    if settings.mode == "whole":
        logits = _logits(network, padded, device)
    else:
        tile = tuple(_multiple(side * max(1.0, scale), OUTPUT_STRIDE) for side in settings.tile)
        stride = tuple(round(step * max(1.0, scale)) for step in settings.stride)
        logits = _sliding(network, padded, tile, stride, device)
    return logits[..., : values.shape[-2], : values.shape[-1]]


def _multiple(length: float, step: int) -> int:
    return math.ceil(length / step) * step


def _values(image: np.ndarray, device: torch.device) -> Tensor:
    """An image (H, W, 3) uint8 as normalised (1, 3, H, W)."""
    return normalise(torch.tensor(image).permute(2, 0, 1)[None], device)


def _padded(values: Tensor) -> Tensor:
    """(1, 3, H', W'): normalised images filled up by the mean colour to multiples of the output stride."""
    height, width = values.shape[-2:]
    return pad(values, (0, -width % OUTPUT_STRIDE, 0, -height % OUTPUT_STRIDE))


def _logits(network: SegmentationNetwork, values: Tensor, device: torch.device) -> Tensor:
    with precision(device):
        return network(values)["out"].float()


def _sliding(
    network: SegmentationNetwork, values: Tensor, tile: tuple[int, int], stride: tuple[int, int], device: torch.device
) -> Tensor:
    total, count = None, torch.zeros(values.shape[-2:], device=device)
    rows, columns = (
        tile_starts(length, side, step) for length, side, step in zip(values.shape[-2:], tile, stride, strict=True)
    )
    for top in rows:
        for left in columns:
            window = (slice(top, top + tile[0]), slice(left, left + tile[1]))
            logits = _logits(network, values[..., *window], device)
            if total is None:
                total = logits.new_zeros((1, logits.shape[1], *values.shape[-2:]))
            total[..., *window] += logits
            count[window] += 1
    return total / count
