"""Block-wise binary cross-entropy of the balanced features (Sec. 3.1): block labels and the loss.

Needs torch alone, so that networks outside the pipeline can be trained with it.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from fbnet.config.labels import IGNORE_INDEX

MAX_CLASSES = 62  # bits of an int64 that hold classes; the next one marks a labelled pixel


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


def mean_or_zero(total: Tensor, count: Tensor) -> Tensor:
    """Mean of `count` values that sum to `total`; 0 where there are none."""
    return total / torch.where(count > 0, count, 1)


def block_bce(
    logits: Tensor, targets: Tensor, mask: Tensor, *, mean: Callable[[Tensor, Tensor], Tensor] = mean_or_zero
) -> Tensor:
    """L_BwBCE of Eqs. 3 and 4: mean over images, classes and the blocks that count.

    NOTE Eq. 4 is a sum without a minus sign; a sum of this size cannot have weight 1 beside a mean.

    Args:
        logits: P before its sigmoid, (N, C, h, w), any floating dtype.
        targets: Y', (N, C, h, w), bool.
        mask: (N, h, w), bool, the blocks that count.
        mean: function of the losses' sum and number. By default it is the mean over this process's batch; the pipeline
            passes one whose average over the ranks of DDP is the mean over the global batch.

    Returns:
        A float32 scalar, 0 where no block counts.
    """
    losses = functional.binary_cross_entropy_with_logits(logits.float(), targets.float(), reduction="none")
    return mean((losses * mask[:, None]).sum(), mask.sum() * logits.shape[1])


@lru_cache
def _label_bits(classes: tuple[int, ...], ignore_index: int | None, device: torch.device) -> Tensor:
    """One bit for each class and one for any label, (256,): a block's bits are those of its pixels, OR-ed."""
    bits = torch.full((256,), 1 << MAX_CLASSES, dtype=torch.int64)
    for position, index in enumerate(classes):
        bits[index] += 1 << position
    if ignore_index is not None:
        bits[ignore_index] = 0
    return bits.to(device)


def _or_rows(values: Tensor, stride: int) -> Tensor:
    """OR (N, H, W) over each `stride` rows, to (N, ceil(H/stride), W)."""
    rows = functional.pad(values, (0, 0, 0, -values.shape[1] % stride)).unflatten(1, (-1, stride))
    blocks = rows[:, :, 0].clone()
    for row in range(1, stride):
        blocks |= rows[:, :, row]
    return blocks
