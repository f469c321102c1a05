"""Bilinear resizing with a gradient that is deterministic on every device."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from fbnet.models.layers import full_precision


def resize_to(values: Tensor, like: Tensor) -> Tensor:
    """Resize (N, C, h, w) to the height and width of `like`: bilinear, half-pixel centres, of the same dtype.

    As `torch.nn.functional.interpolate`, whose deterministic replacement on GPUs takes a third of a training step.

    Raises:
        RuntimeError: under `torch.jit.trace`, which would freeze the size of the example without a word.
    """
    if torch.jit.is_tracing():
        raise RuntimeError("torch.jit.trace would freeze the size of its example; use torch.export, or `fbnet export`")
    if torch.compiler.is_exporting():  # a single operator in the graph; what is below would be taken apart
        return interpolate(values, like.shape[-2:], mode="bilinear")
    return _BilinearResize.apply(values, like.shape[-2:])


class _BilinearResize(torch.autograd.Function):
    """Forward by torch's kernel; backward by a product with an interpolation matrix for each axis."""

    @staticmethod
    def forward(ctx, values: Tensor, size: torch.Size) -> Tensor:
        ctx.size = values.shape[-2:]
        # Not by `interpolate`, which would choose the slow replacement.
        return torch.ops.aten.upsample_bilinear2d(values, size, False)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        dtype = torch.promote_types(grad.dtype, torch.float32)
        matrix = _matrix if torch.compiler.is_compiling() else _cached_matrix  # torch traces through caches, and warns
        rows, columns = (
            matrix(source, target, dtype, grad.device) for source, target in zip(ctx.size, grad.shape[-2:], strict=True)
        )
        with full_precision(grad.device):
            # Channels last, as networks are trained: neither product then copies its operands.
            values = grad.to(dtype).permute(0, 2, 3, 1)
            values = (rows.T @ values.flatten(2)).unflatten(2, values.shape[2:])  # (N, h, W, C)
            values = columns.T @ values  # (N, h, w, C)
        return values.permute(0, 3, 1, 2).to(grad.dtype), None


def _matrix(source: int, target: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Interpolation weights (target, source) along an axis: its unit vectors, resized."""
    unit_vectors = torch.eye(source, dtype=dtype, device=device)[None, None]
    return torch.ops.aten.upsample_bilinear2d(unit_vectors, (target, source), False)[0, 0]


_cached_matrix = lru_cache(maxsize=64)(_matrix)
