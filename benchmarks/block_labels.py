"""Block labels of a batch: bits OR-ed over blocks, against one-hot maps and max-pooling."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.harness import share_of_memory, times_as_fast, write
from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX
from fbnet.models.block_loss import block_labels

IMAGES, SIDE, STRIDE, ROUNDS = 8, 832, 8, 15


def main() -> None:
    labels = patches()
    what, against = "block labels, 8 x 832 x 832, stride 8", "one-hot and max-pooling"
    ours, theirs = partial(block_labels, labels, CITYSCAPES.foreground_ids, STRIDE), partial(pooled, labels)
    rows = [
        times_as_fast(ours, theirs, rounds=ROUNDS, what=what, against=against, target=10),
        share_of_memory(ours, theirs, what=f"{what}: memory", against=against, target=0.1),
    ]
    assert torch.equal(ours()[0], theirs().bool())
    write("block_labels", rows, classes=len(CITYSCAPES.foreground_ids), rounds=ROUNDS)


def patches() -> Tensor:
    """Label maps (N, H, W), uint8, of 16 x 16 patches, with ignored rows at the top."""
    torch.manual_seed(0)
    classes = torch.randint(len(CITYSCAPES.classes), (IMAGES, SIDE // 16, SIDE // 16), dtype=torch.uint8)
    labels = classes.repeat_interleave(16, dim=1).repeat_interleave(16, dim=2)
    labels[:, :40] = IGNORE_INDEX
    return labels


def pooled(labels: Tensor) -> Tensor:
    """Compute block labels the usual way: (N, classes, h, w), float32."""
    classes = len(CITYSCAPES.classes)
    kept = torch.where(labels == IGNORE_INDEX, classes, labels.long())
    maps = functional.one_hot(kept, classes + 1)[..., CITYSCAPES.foreground_ids].permute(0, 3, 1, 2)
    return functional.max_pool2d(maps.float(), STRIDE)


if __name__ == "__main__":
    main()
