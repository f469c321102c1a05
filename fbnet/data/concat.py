"""Several packed splits seen as one, such as train and val, or fine and coarse; nothing is copied."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbnet.data.packed import PackedSplit


@dataclass(frozen=True)
class JoinedSplit:
    """Splits one after the other, with what a `PackedSplit` has."""

    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    _places: tuple[tuple[PackedSplit, int], ...]
    """The split that each image lies in, and its index there."""

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB, a read-only view."""
        split, place = self._places[index]
        return split.image(place)

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 train ids, 255 ignored, a read-only view. Raises InputError in a split without labels."""
        split, place = self._places[index]
        return split.labels(place)


Split = PackedSplit | JoinedSplit


def join(splits: Sequence[Split]) -> JoinedSplit:
    """The images of all the splits, in their order."""
    return JoinedSplit(
        names=tuple(name for split in splits for name in split.names),
        sizes=tuple(size for split in splits for size in split.sizes),
        _places=tuple((split, index) for split in splits for index in range(len(split))),
    )
