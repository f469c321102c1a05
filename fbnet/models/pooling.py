"""Means over a map and over parts of it: fast on a CPU, with a deterministic gradient on a GPU."""

import math

import torch
from torch import Tensor, nn


class GlobalMean(nn.Module):
    """The mean over height and width.

    What `nn.AdaptiveAvgPool2d(1)` computes, but as a sum and a division, which in bfloat16 takes a CPU a fraction of
    the time.

    Shape:
        (N, C, h, w) to (N, C, 1, 1), of the same floating type.
    """

    def forward(self, values: Tensor) -> Tensor:
        return values.sum(dim=(2, 3), keepdim=True) / math.prod(values.shape[2:])


class RegionMeans(nn.Module):
    """The means over `bins` x `bins` parts of a map, which share a row or column where the size is no multiple of them.

    What `nn.AdaptiveAvgPool2d` computes, but as a product with a matrix, for which GPUs have a deterministic gradient.

    Shape:
        (N, C, h, w) to (N, C, bins, bins), of the same floating type.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, values: Tensor) -> Tensor:
        rows, columns = (self._parts(length).to(values) for length in values.shape[-2:])
        # (bins^2, h w): where each part is. Zeros and ones are exact in any floating type.
        parts = (rows[:, None, :, None] * columns[None, :, None, :]).flatten(2).flatten(0, 1)
        sums = values.flatten(2) @ parts.T
        return (sums / parts.sum(dim=1, dtype=torch.float32)).to(values.dtype).unflatten(2, (self.bins, self.bins))

    def _parts(self, length: int) -> Tensor:
        """(bins, length), bool: which places of a side are in which part."""
        places = torch.arange(length)
        starts = [part * length // self.bins for part in range(self.bins)]
        stops = [math.ceil((part + 1) * length / self.bins) for part in range(self.bins)]
        return torch.stack([(places >= start) & (places < stop) for start, stop in zip(starts, stops, strict=True)])
