"""The losses: cross-entropy on the prediction, block-wise binary cross-entropy on the balanced features.

Each is a mean over the whole batch; where several processes share it, each one's value is its share of that mean.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from fbnet.config.labels import IGNORE_INDEX
from fbnet.runtime.distributed import share_of

# Bits of an int64 that hold classes; the next one marks a labelled pixel.
MAX_CLASSES = 62
BAND_ROWS = 64


def cross_entropy(
    logits: Tensor, labels: Tensor, *, weights: Sequence[float] | None = None, ignore_index: int = IGNORE_INDEX
) -> Tensor:
    """L_ce of Eq. 8: the weighted mean over labelled pixels, 0 where there is none.

    Args:
        logits: Z, (N, C, H, W), any floating type; the loss is computed in float32.
        labels: Y, (N, H, W), integers.
        weights: of the C classes, positive. A pixel counts as much as its class: the sum of weighted losses is divided
            by the sum of these pixels' weights, as torch's own cross-entropy does. None weighs all alike.
        ignore_index: the label that does not count.

    Returns:
        A float32 scalar.
    """
    losses = pixel_cross_entropy(logits, labels, ignore_index)
    counted = _pixel_weights(labels, weights, ignore_index)
    return share_of((losses * counted).sum(), counted.sum())


def ohem_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    threshold: float,
    min_kept: int,
    weights: Sequence[float] | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> Tensor:
    """L_ce of Eq. 8 with online hard example mining (Sec. 4.1): the weighted mean over hard pixels, 0 without any.

    Of each image by itself, those labelled pixels are kept whose true class is predicted with a probability below
    `threshold`, and if they are fewer than `min_kept`, the `min_kept` hardest; pixels as hard as the last of these are
    kept too, so that no order among equals decides. Weights play no part in this choice. The mean is over the kept
    pixels of all images together, so that an image with more of them counts more.
    NOTE the paper names OHEM only; how it chooses and what the mean is over are not in the paper.

    Args:
        logits: Z, (N, C, H, W), any floating type; the loss is computed in float32.
        labels: Y, (N, H, W), integers.
        threshold: a probability above 0.
        min_kept: at least 1; an image with fewer labelled pixels keeps them all.
        weights: of the C classes, as in `cross_entropy`, over the kept pixels.
        ignore_index: the label that does not count.

    Returns:
        A float32 scalar.
    """
    losses = pixel_cross_entropy(logits, labels, ignore_index)
    hardness = losses.detach().masked_fill(labels == ignore_index, -math.inf).flatten(1)
    hardest = hardness.topk(min(min_kept, hardness.shape[1]), dim=1, sorted=False).values
    limit = hardest.amin(dim=1)[:, None, None]
    hard = (losses > -math.log(threshold)) | (losses >= limit)
    counted = _pixel_weights(labels, weights, ignore_index) * hard
    # A product, unlike a choice of pixels, lets a loss that is not a number show.
    return share_of((losses * counted).sum(), counted.sum())


def image_weighted_cross_entropy(
    logits: Tensor, labels: Tensor, *, bound: float, ignore_index: int = IGNORE_INDEX
) -> Tensor:
    """Cross-entropy that weighs the classes of each image by their rarity in it: the mean over images, 0 without any.

    A class that makes up the share f of an image's labelled pixels weighs 1 + bound * (1 - f) there. Each image's loss
    is the weighted mean over its labelled pixels; images without any are left out.
    NOTE not in the paper.

    Args:
        logits: Z, (N, C, H, W), any floating type; the loss is computed in float32.
        labels: Y, (N, H, W), integers.
        bound: how much more than 1 a class can weigh.
        ignore_index: the label that does not count.

    Returns:
        A float32 scalar.
    """
    losses = pixel_cross_entropy(logits, labels, ignore_index)
    counted = labels != ignore_index
    # The last row takes the ignored pixels.
    train_ids = torch.where(counted, labels, logits.shape[1]).long().flatten(1)
    pixels = torch.zeros(len(labels), logits.shape[1] + 1, device=logits.device)
    pixels.scatter_add_(1, train_ids, torch.ones_like(train_ids, dtype=torch.float32))
    labelled = counted.flatten(1).sum(dim=1)
    weights = 1 + bound * (1 - pixels / labelled.clamp(min=1)[:, None])
    weights[:, -1] = 0
    pixel_weights = weights.gather(1, train_ids)
    means = (losses.flatten(1) * pixel_weights).sum(dim=1) / pixel_weights.sum(dim=1).clamp(min=1)
    return share_of(means.sum(), (labelled > 0).sum())


def block_labels(
    labels: Tensor, classes: Sequence[int], stride: int, ignore_index: int | None = IGNORE_INDEX
) -> tuple[Tensor, Tensor]:
    """A of Eqs. 1 and 2: which classes touch which block.

    Blocks are half-open squares of `stride` pixels; the last ones are short where the size is no multiple of it.
    NOTE Eq. 2 sets a class where its number of pixels is >= 0, which is always: we read > 0.
    NOTE ignored pixels are not in the paper: they count for no class, and a block of nothing else does not count.

    Args:
        labels: Y, (N, H, W), integers from 0 to 255.
        classes: the train ids that are told apart, at most 62; the map's channels are in their order.
        stride: s, pixels along a block's side.
        ignore_index: the label that does not count; None counts every pixel and so every block.

    Returns:
        Y', the bool multi-hot map (N, len(classes), ceil(H/stride), ceil(W/stride)), and the bool mask (N, h, w) of
        the blocks that count.

    Raises:
        ValueError: for too many classes, or an ignored one.
    """
    if len(classes) > MAX_CLASSES:
        raise ValueError(f"at most {MAX_CLASSES} classes, not {len(classes)}")
    if ignore_index in classes:
        raise ValueError(f"class {ignore_index} is ignored")
    # A bit for each class, and one for being labelled: a block's bits are those of its pixels, OR-ed.
    bits = torch.full((256,), 1 << MAX_CLASSES, dtype=torch.int64, device=labels.device)
    for position, index in enumerate(classes):
        bits[index] += 1 << position
    if ignore_index is not None:
        bits[ignore_index] = 0
    # An image at a time: its bits stay in the cache.
    blocks = torch.stack([_or_blocks(torch.take(bits, image.long()), stride) for image in labels])
    positions = torch.arange(len(classes), device=labels.device)[:, None, None]
    return (blocks[:, None] >> positions & 1).bool(), (blocks >> MAX_CLASSES & 1).bool()


def block_bce(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """L_BwBCE of Eqs. 3 and 4: the mean over images, classes and the blocks that count, 0 where there is none.

    NOTE Eq. 4 is a sum without a minus sign; a sum of this size cannot have weight 1 beside a mean.

    Args:
        logits: P before its sigmoid, (N, C, h, w), any floating type; the loss is computed in float32.
        targets: Y', (N, C, h, w), bool.
        mask: (N, h, w), bool, the blocks that count.

    Returns:
        A float32 scalar.
    """
    losses = functional.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")
    return share_of((losses * mask[:, None]).sum(), mask.sum() * logits.shape[1])


def pixel_cross_entropy(logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """The cross-entropy of each pixel, 0 where it is ignored.

    Takes a fraction of the memory of torch's own, as nothing but the gradient is ever as large as the logits.

    Args:
        logits: Z, (N, C, H, W), any floating type; the losses are computed in float32.
        labels: Y, (N, H, W), integers.
        ignore_index: the label that does not count.

    Returns:
        (N, H, W) float32; it can be differentiated once.
    """
    return _PixelCrossEntropy.apply(logits, labels, ignore_index)


class _PixelCrossEntropy(torch.autograd.Function):
    """A band of rows at a time, which keeps what is computed in a CPU's cache; the softmax is computed again for the
    gradient rather than kept. Both are torch's own, to the last bit."""

    @staticmethod
    def forward(ctx, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        ctx.save_for_backward(logits, labels)
        ctx.ignore_index = ignore_index
        losses = torch.empty(labels.shape, device=logits.device)
        for image, rows in _bands(labels):
            losses[image, rows] = _losses(logits[image, :, rows], labels[image, rows], ignore_index)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        logits, labels = ctx.saved_tensors
        out = torch.empty_like(logits)
        for image, rows in _bands(labels):
            values = logits[image, :, rows].detach().requires_grad_()
            with torch.enable_grad():
                losses = _losses(values, labels[image, rows], ctx.ignore_index)
            (out[image, :, rows],) = torch.autograd.grad(losses, values, grad[image, rows])
        return out, None, None


def _losses(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    return functional.cross_entropy(logits.float(), labels.long(), ignore_index=ignore_index, reduction="none")


def _bands(labels: Tensor) -> Iterator[tuple[slice, slice]]:
    """Images and rows of the bands: one image each, on a CPU of so many rows as its cache holds the logits of."""
    images, height, _ = labels.shape
    length = BAND_ROWS if labels.device.type == "cpu" else height
    for image, top in product(range(images), range(0, height, length)):
        yield slice(image, image + 1), slice(top, top + length)


def _pixel_weights(labels: Tensor, weights: Sequence[float] | None, ignore_index: int) -> Tensor:
    """(N, H, W) float32: the weight of each pixel's class, 1 without weights, and 0 where it is ignored."""
    counted = (labels != ignore_index).float()
    if weights is None:
        return counted
    table = torch.tensor(weights, device=labels.device)
    return table[labels.long().clamp(max=len(weights) - 1)] * counted


def _or_blocks(values: Tensor, stride: int) -> Tensor:
    """ORs (H, W) over squares of `stride`, to (ceil(H/stride), ceil(W/stride))."""
    return _or_rows(_or_rows(values, stride).T, stride).T


def _or_rows(values: Tensor, stride: int) -> Tensor:
    """ORs (H, W) over each `stride` rows, to (ceil(H/stride), W)."""
    height, width = values.shape
    rows = functional.pad(values, (0, 0, 0, -height % stride)).view(-1, stride, width)
    blocks = rows[:, 0].clone()
    for row in range(1, stride):
        blocks |= rows[:, row]
    return blocks
