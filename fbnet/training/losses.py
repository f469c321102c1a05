"""Cross-entropy losses of the prediction and block-wise binary cross-entropy of the balanced features.

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

MAX_CLASSES = 62  # bits of an int64 that hold classes; the next one marks a labelled pixel
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


def block_labels(
    labels: Tensor, classes: Sequence[int], stride: int, ignore_index: int | None = IGNORE_INDEX
) -> tuple[Tensor, Tensor]:
    """Multi-hot label map of the classes in each block: A of Eqs. 1 and 2.

    Blocks are squares of `stride` pixels; those at the right and bottom edge may be smaller.
    NOTE Eq. 2 sets a class where its number of pixels is >= 0, which is always: we read > 0.
    NOTE ignored pixels are not in the paper: they count for no class, and a block of nothing else does not count.

    Args:
        labels: Y, (N, H, W), integers from 0 to 255.
        classes: train ids to tell apart, at most 62, in the order of the map's channels.
        stride: s, side of a block in pixels.
        ignore_index: label that does not count; None counts every pixel and so every block.

    Returns:
        Y', (N, len(classes), ceil(H/stride), ceil(W/stride)), bool, and the mask (N, h, w), bool, of blocks that count.

    Raises:
        ValueError: for too many classes, or an ignored one.
    """
    if len(classes) > MAX_CLASSES:
        raise ValueError(f"at most {MAX_CLASSES} classes, not {len(classes)}")
    if ignore_index in classes:
        raise ValueError(f"class {ignore_index} is ignored")
    bits = _label_bits(tuple(classes), ignore_index, labels.device)
    # On a CPU one image at a time, so that its bits stay in the cache.
    parts = labels.split(1) if labels.device.type == "cpu" else (labels,)
    pixels = (torch.take(bits, part.long()) for part in parts)
    blocks = torch.cat([_or_rows(_or_rows(part, stride).mT, stride).mT for part in pixels])
    positions = torch.arange(len(classes), device=labels.device)[:, None, None]
    return (blocks[:, None] >> positions & 1).bool(), (blocks >> MAX_CLASSES & 1).bool()


def block_bce(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """L_BwBCE of Eqs. 3 and 4: mean over images, classes and the blocks that count.

    NOTE Eq. 4 is a sum without a minus sign; a sum of this size cannot have weight 1 beside a mean.

    Args:
        logits: P before its sigmoid, (N, C, h, w), any floating dtype.
        targets: Y', (N, C, h, w), bool.
        mask: (N, h, w), bool, the blocks that count.
    """
    losses = functional.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")
    return global_mean_share((losses * mask[:, None]).sum(), mask.sum() * logits.shape[1])


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


@lru_cache
def _label_bits(classes: tuple[int, ...], ignore_index: int | None, device: torch.device) -> Tensor:
    """One bit for each class and one for any label, (256,): a block's bits are those of its pixels, OR-ed."""
    bits = torch.full((256,), 1 << MAX_CLASSES, dtype=torch.int64)
    for position, index in enumerate(classes):
        bits[index] += 1 << position
    if ignore_index is not None:
        bits[ignore_index] = 0
    return bits.to(device)


def _mean_of_images(losses: Tensor, weights: Tensor) -> Tensor:
    """Mean over images of the weighted mean over their pixels, both (N, H, W); an image without weight is left out."""
    totals = weights.sum(dim=(1, 2))
    means = (losses * weights).sum(dim=(1, 2)) / torch.where(totals > 0, totals, 1)
    return global_mean_share(means.sum(), (totals > 0).sum())


def _or_rows(values: Tensor, stride: int) -> Tensor:
    """OR (N, H, W) over each `stride` rows, to (N, ceil(H/stride), W)."""
    rows = functional.pad(values, (0, 0, 0, -values.shape[1] % stride)).unflatten(1, (-1, stride))
    blocks = rows[:, :, 0].clone()
    for row in range(1, stride):
        blocks |= rows[:, :, row]
    return blocks
