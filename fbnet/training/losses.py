"""Cross-entropy losses of the prediction; the block-wise loss is in `fbnet.models.block_loss`.

Each loss is a float32 scalar: a mean over the global batch, of which every rank returns its share, and 0 where nothing
counts. Labels of IGNORE_INDEX never count.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from fbnet.config.labels import IGNORE_INDEX
from fbnet.config.training import OhemConfig
from fbnet.runtime.distributed import global_mean_share

BAND_ROWS = 64


def cross_entropy(logits: Tensor, labels: Tensor, *, weights: Sequence[float] | None = None) -> Tensor:
    """L_ce of Eq. 8: weighted mean over labelled pixels.

    Args:
        logits: Z, (N, C, H, W), any floating dtype.
        labels: Y, (N, H, W), integers.
        weights: positive weights of the C classes. As in torch, the weighted sum is divided by the sum of the pixels'
            weights. None weighs all classes alike.
    """
    losses = pixel_cross_entropy(logits, labels)
    counted = _pixel_weights(labels, weights)
    return global_mean_share((losses * counted).sum(), counted.sum())


def ohem_cross_entropy(
    logits: Tensor, labels: Tensor, settings: OhemConfig, *, weights: Sequence[float] | None = None
) -> Tensor:
    """L_ce of Eq. 8 with online hard example mining (Sec. 4.1): weighted mean over hard pixels.

    In each image, a labelled pixel is kept if its true class has a probability below the threshold; if fewer than
    `min_kept` are, the `min_kept` hardest are kept, and all that tie with the last of them. Class weights do not
    affect this choice. An image's loss is the weighted mean over its kept pixels, the loss the mean over labelled
    images; or else one weighted mean over the kept pixels of all images.
    NOTE the paper names OHEM only; how it chooses and what the mean is over are not in the paper. With eight images on
    eight GPUs, as the paper trains, codes of its family average over the kept pixels of a GPU's image, then over GPUs.

    Args:
        logits: Z, (N, C, H, W), any floating type.
        labels: Y, (N, H, W), integers.
        settings: threshold, `min_kept` and mean; an image with fewer labelled pixels than `min_kept` keeps them all.
        weights: of the C classes, as in `cross_entropy`.
    """
    losses = pixel_cross_entropy(logits, labels)
    hardness = losses.detach().masked_fill(labels == IGNORE_INDEX, -math.inf).flatten(1)
    hardest = hardness.topk(min(settings.min_kept, hardness.shape[1]), dim=1, sorted=False).values
    limit = hardest.amin(dim=1)[:, None, None]
    hard = (losses > -math.log(settings.threshold)) | (losses >= limit)
    counted = _pixel_weights(labels, weights) * hard
    # A product, unlike a selection of pixels, propagates NaN.
    if settings.mean == "image":
        return _mean_of_images(losses, counted)
    return global_mean_share((losses * counted).sum(), counted.sum())


def image_weighted_cross_entropy(logits: Tensor, labels: Tensor, *, bound: float) -> Tensor:
    """Cross-entropy that weighs the classes of each image by their rarity in it: mean over labelled images.

    A class with the share f of an image's labelled pixels weighs 1 + bound * (1 - f) there. An image's loss is the
    weighted mean over its labelled pixels.
    NOTE not in the paper.

    Args:
        logits: Z, (N, C, H, W), any floating type.
        labels: Y, (N, H, W), integers.
        bound: how much more than 1 a class can weigh.
    """
    losses = pixel_cross_entropy(logits, labels)
    counted = labels != IGNORE_INDEX
    # One class at a time: adding up by index has no fixed order on a GPU.
    pixels = torch.stack([(labels == train_id).sum(dim=(1, 2)) for train_id in range(logits.shape[1])], dim=1)
    labelled = counted.sum(dim=(1, 2))
    weights = 1 + bound * (1 - pixels / labelled.clamp(min=1)[:, None])
    pixel_weights = weights.gather(1, torch.where(counted, labels, 0).long().flatten(1)) * counted.flatten(1)
    return _mean_of_images(losses, pixel_weights.view_as(losses))


def pixel_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each pixel, (N, H, W) float32, 0 where it is ignored; differentiable once.

    Equal to torch's own to the last bit, in a fraction of its memory: only the gradient is as large as the logits.
    Arguments are as in `cross_entropy`.
    """
    return _PixelCrossEntropy.apply(logits, labels)


class _PixelCrossEntropy(torch.autograd.Function):
    """Work on bands of rows, which fit a CPU's cache; the backward pass computes the softmax again."""

    @staticmethod
    def forward(ctx, logits: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(logits, labels)
        losses = torch.empty(labels.shape, device=logits.device)
        for image, rows in _bands(labels):
            losses[image, rows] = _losses(logits[image, :, rows], labels[image, rows])
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        logits, labels = ctx.saved_tensors
        out = torch.empty_like(logits)
        for image, rows in _bands(labels):
            values = logits[image, :, rows].detach().requires_grad_()
            with torch.enable_grad():
                losses = _losses(values, labels[image, rows])
            (out[image, :, rows],) = torch.autograd.grad(losses, values, grad[image, rows])
        return out, None


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float(), labels.long(), ignore_index=IGNORE_INDEX, reduction="none")


def _bands(labels: Tensor) -> Iterator[tuple[slice, slice]]:
    """Images and rows of each band: BAND_ROWS rows of an image on a CPU, the whole batch elsewhere."""
    if labels.device.type != "cpu":
        yield slice(None), slice(None)
        return
    for image, top in product(range(len(labels)), range(0, labels.shape[1], BAND_ROWS)):
        yield slice(image, image + 1), slice(top, top + BAND_ROWS)


def _pixel_weights(labels: Tensor, weights: Sequence[float] | None) -> Tensor:
    """Weight of each pixel's class, (N, H, W) float32: 1 without weights, 0 where it is ignored."""
    counted = (labels != IGNORE_INDEX).float()
    if weights is None:
        return counted
    return _weight_table(tuple(weights), labels.device)[labels.long().clamp(max=len(weights) - 1)] * counted


@lru_cache  # making constants on a GPU waits for it
def _weight_table(weights: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(weights, device=device)


def _mean_of_images(losses: Tensor, weights: Tensor) -> Tensor:
    """Mean over images of the weighted mean over their pixels, both (N, H, W); an image without weight is left out."""
    totals = weights.sum(dim=(1, 2))
    means = (losses * weights).sum(dim=(1, 2)) / torch.where(totals > 0, totals, 1)
    return global_mean_share(means.sum(), (totals > 0).sum())
