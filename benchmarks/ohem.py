"""Cross-entropy with hard example mining, forward and backward, against softmax, a full sort and a mask."""

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.block_labels import IMAGES, SIDE, patches
from benchmarks.harness import share_of_memory, times_as_fast, write
from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX
from fbnet.config.training import OhemConfig
from fbnet.training.losses import ohem_cross_entropy

ROUNDS = 7
SETTINGS = OhemConfig()


def main() -> None:
    labels = patches()
    logits = torch.randn(IMAGES, len(CITYSCAPES.classes), SIDE, SIDE, requires_grad=True)
    what, against = "OHEM cross-entropy, forward and backward, 8 x 19 x 832 x 832", "softmax, full sort, mask"

    def ours() -> None:
        ohem_cross_entropy(logits, labels, SETTINGS).backward()
        logits.grad = None

    def theirs() -> None:
        by_sorting(logits, labels).backward()
        logits.grad = None

    rows = [
        times_as_fast(ours, theirs, rounds=ROUNDS, what=what, against=against, target=2),
        share_of_memory(ours, theirs, what=f"{what}: memory", against=against, target=0.5),
    ]
    write("ohem", rows, threshold=SETTINGS.threshold, min_kept=SETTINGS.min_kept, rounds=ROUNDS)


def by_sorting(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute OHEM the usual way: keep pixels up to the threshold or, if higher, the `min_kept`-th probability."""
    labels = labels.long()
    counted = labels != IGNORE_INDEX
    true = logits.softmax(dim=1).gather(1, torch.where(counted, labels, 0)[:, None])[:, 0]
    ordered = true.detach()[counted].sort().values
    threshold = max(SETTINGS.threshold, ordered[min(len(ordered), IMAGES * SETTINGS.min_kept) - 1].item())
    kept = torch.where(counted & (true.detach() <= threshold), labels, IGNORE_INDEX)
    return functional.cross_entropy(logits, kept, ignore_index=IGNORE_INDEX)


if __name__ == "__main__":
    main()
