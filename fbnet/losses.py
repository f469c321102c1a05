"""The two losses: cross-entropy on the prediction, block-wise binary cross-entropy on the balanced features."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from fbnet.data.specs import IGNORE_INDEX

# Bits of an int64 that hold classes; the next one marks a labelled pixel.
MAX_CLASSES = 62


def cross_entropy(logits: Tensor, labels: Tensor, *, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """L_ce of Eq. 8: the mean over labelled pixels, 0 where there is none.

    Args:
        logits: Z, (N, C, H, W), any floating type; the loss is computed in float32.
        labels: Y, (N, H, W), integers.
        ignore_index: the label that does not count.

    Returns:
        A float32 scalar.
    """
    losses = functional.cross_entropy(logits.float(), labels.long(), ignore_index=ignore_index, reduction="sum")
    return losses / (labels != ignore_index).sum().clamp(min=1)


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
    blocks = _or_blocks(_or_blocks(bits[labels.long()], stride).transpose(1, 2), stride).transpose(1, 2)
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
    return (losses * mask[:, None]).sum() / (mask.sum() * logits.shape[1]).clamp(min=1)


def _or_blocks(values: Tensor, stride: int) -> Tensor:
    """ORs (N, H, W) over each `stride` rows, to (N, ceil(H/stride), W)."""
    images, height, width = values.shape
    rows = functional.pad(values, (0, 0, 0, -height % stride)).view(images, -1, stride, width)
    blocks = rows[:, :, 0].clone()
    for row in range(1, stride):
        blocks |= rows[:, :, row]
    return blocks
