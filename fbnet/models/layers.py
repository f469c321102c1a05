"""Layers and initialisation shared by backbones, heads and feature balance modules."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn


def scale_channels(channels: int, width: float) -> int:
    """Number of channels under the width multiplier, at least 4."""
    return max(4, round(channels * width))


def conv_bn_relu(channels: int, out_channels: int, size: int, *, dilation: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch normalisation and ReLU; keeps the map's size at stride 1."""
    padding = dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, size, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def initialise(module: nn.Module, fan: Literal["fan_in", "fan_out"]) -> None:
    """Initialise all convolutions by He's rule, for ReLU, and their biases by zero.

    Args:
        module: what to initialise.
        fan: `fan_in` keeps the variance of the features, `fan_out` that of their gradients.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:  # meta tensors have no numbers
            nn.init.kaiming_normal_(layer.weight, mode=fan, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def full_precision(device: torch.device) -> AbstractContextManager:
    """Context without autocast; the meta device, on which operations are counted, has none to switch off."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


class Classifier(nn.Conv2d):
    """1x1 convolution to logits, computed in float32 also within autocast: bfloat16 has two to three decimal places.

    Shape:
        (N, C, h, w) to (N, classes, h, w), float32.
    """

    def __init__(self, channels: int, classes: int, *, bias: bool = True) -> None:
        super().__init__(channels, classes, 1, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        with full_precision(features.device):
            return super().forward(features.float())


class GlobalMean(nn.Module):
    """Mean over height and width: (N, C, h, w) to (N, C, 1, 1) of the same dtype.

    As `nn.AdaptiveAvgPool2d(1)`, but several times faster in bfloat16 on a CPU.
    """

    def forward(self, values: Tensor) -> Tensor:
        return values.sum(dim=(2, 3), keepdim=True) / math.prod(values.shape[2:])


class RegionMeans(nn.Module):
    """Means over a grid of regions, which overlap if `bins` does not divide the size.

    As `nn.AdaptiveAvgPool2d(bins)`, but as a matrix product, whose gradient is deterministic on GPUs.

    Shape:
        (N, C, h, w) to (N, C, bins, bins), of the same dtype.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, values: Tensor) -> Tensor:
        rows, columns = (self._regions(length, values.device).to(values.dtype) for length in values.shape[-2:])
        # (bins^2, h w): indicators of the regions, exact in any floating dtype.
        regions = (rows[:, None, :, None] * columns[None, :, None, :]).flatten(2).flatten(0, 1)
        flat = values.flatten(2)
        # Exported for batches of any size; the other product would treat one image as a case of its own.
        if torch.compiler.is_exporting():
            sums = (flat.flatten(0, 1) @ regions.T).unflatten(0, flat.shape[:2])
        else:
            sums = flat @ regions.T
        return (sums / regions.sum(dim=1, dtype=torch.float32)).to(values.dtype).unflatten(2, (self.bins, self.bins))

    def _regions(self, length: int, device: torch.device) -> Tensor:
        """Tell which positions along a side are in which region, (bins, length), bool; made on the device."""
        positions, index = torch.arange(length, device=device), torch.arange(self.bins, device=device)[:, None]
        return (positions >= index * length // self.bins) & (positions < -(-(index + 1) * length // self.bins))
