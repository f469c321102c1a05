"""Reads prepared data: memory-mapped uint8 arrays, of which an image takes only its own part."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fbnet import paths
from fbnet.data.source import DataConfig
from fbnet.errors import InputError

FORMAT = 1
CHANNELS = {"images": 3, "labels": 1}


@dataclass(frozen=True)
class PackedSplit:
    """One split of a prepared data set; reading an image touches only its own part of the file."""

    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    offsets: tuple[int, ...]
    _images: np.ndarray
    _labels: np.ndarray | None
    """None in a split without labels."""

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB, a read-only view."""
        height, width = self.sizes[index]
        start = 3 * self.offsets[index]
        return self._images[start : start + 3 * height * width].reshape(height, width, 3)

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 train ids, 255 ignored, a read-only view. Raises InputError in a split without labels."""
        if self._labels is None:
            raise InputError(
                f"{self.names[index]}: has no labels, as its split is one to predict; take a split that has"
            )
        height, width = self.sizes[index]
        start = self.offsets[index]
        return self._labels[start : start + height * width].reshape(height, width)


def open_split(data: DataConfig, split: str) -> PackedSplit:
    """Opens a split of the prepared data.

    Raises:
        InputError: if it was not prepared, or prepared from something else, or its files do not fit its manifest.
    """
    path = paths.manifest_file(data.dataset)
    remedy = f"prepare data set {data.dataset!r} again with `fbnet prepare`"
    try:
        manifest = json.loads(path.read_text())
        entries = manifest["splits"][split]["images"]
        source = {key: manifest[key] for key in ("format", *data.source)}
        names = tuple(entry["name"] for entry in entries)
        sizes = tuple((entry["height"], entry["width"]) for entry in entries)
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {remedy}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged, or without the split {split!r} ({error}); {remedy}") from None
    if source != json.loads(json.dumps({"format": FORMAT, **data.source})):
        raise InputError(f"{path}: made from other parameters than the study's; {remedy}")
    pixels = [height * width for height, width in sizes]
    arrays = {
        kind: _open_array(paths.array_file(data.dataset, split, kind), CHANNELS[kind] * sum(pixels), remedy)
        for kind in data.arrays
    }
    return PackedSplit(
        names=names,
        sizes=sizes,
        offsets=tuple(int(offset) for offset in np.cumsum([0, *pixels[:-1]])),
        _images=arrays["images"],
        _labels=arrays.get("labels"),
    )


def _open_array(path: Path, size: int, remedy: str) -> np.ndarray:
    try:
        # Mapped for this process alone, as torch takes no arrays that cannot be written to; the file stays as it is.
        array = np.load(path, mmap_mode="c")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {remedy}") from None
    if array.shape != (size,) or array.dtype != np.uint8:
        raise InputError(f"{path}: does not fit its manifest; {remedy}")
    return array
