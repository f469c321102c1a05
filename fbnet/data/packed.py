"""Reads prepared data: memory-mapped uint8 arrays, of which an image takes only its own part."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.config.registry import DATASETS
from fbnet.data.images import MAX_IMAGE_PIXELS
from fbnet.data.manifest import hint, read_manifest
from fbnet.errors import InputError
from fbnet.io.arrays import check_length, open_array
from fbnet.names import is_file_name

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
    _hint: str = "prepare the data again"
    """What to do about damaged files."""

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB, a read-only view. Raises InputError if its file was cut short in the meantime."""
        check_length(self._images, self._hint)
        height, width = self.sizes[index]
        start = 3 * self.offsets[index]
        return self._images[start : start + 3 * height * width].reshape(height, width, 3)

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8 train ids, 255 ignored, a read-only view.

        Raises InputError in a split without labels, and if their file was cut short in the meantime.
        """
        if self._labels is None:
            raise InputError(
                f"{self.names[index]}: has no labels, as its split is one to predict; take a split that has"
            )
        check_length(self._labels, self._hint)
        height, width = self.sizes[index]
        start = self.offsets[index]
        return self._labels[start : start + height * width].reshape(height, width)


def open_split(data: DataConfig, split: str) -> PackedSplit:
    """Opens a split of the prepared data.

    Raises:
        InputError: if it was not prepared, or prepared from something else, or its files do not fit its manifest.
    """
    path, again = paths.manifest_file(data.dataset), hint(data.dataset)
    manifest = read_manifest(data.dataset)
    images = _packed_images(manifest, data.dataset, split)
    expected = json.loads(json.dumps({"format": FORMAT, **data.source}))
    if {key: manifest.get(key) for key in expected} != expected:
        raise InputError(f"{path}: made from other parameters than the study's; {again}")
    sizes = tuple((height, width) for _, height, width in images)
    pixels = [height * width for height, width in sizes]
    arrays = {
        kind: _open_array(paths.array_file(data.dataset, split, kind), CHANNELS[kind] * sum(pixels), again)
        for kind in data.arrays
    }
    return PackedSplit(
        names=tuple(name for name, _, _ in images),
        sizes=sizes,
        offsets=tuple(int(offset) for offset in np.cumsum([0, *pixels[:-1]])),
        _images=arrays["images"],
        _labels=arrays.get("labels"),
        _hint=again,
    )


def split_images(data: DataConfig, split: str) -> int | None:
    """How many images a split has: as a study asks for scenes, else as prepared, else as published; None if not known.

    Raises InputError for a damaged manifest.
    """
    if data.synthetic is not None:
        return data.synthetic.images[split]
    return prepared_images(data).get(split, DATASETS[data.dataset].images.get(split))


def prepared_images(data: DataConfig) -> dict[str, int]:
    """The number of images of each prepared split; none where nothing is prepared."""
    path = paths.manifest_file(data.dataset)
    if not path.is_file():
        return {}
    splits = read_manifest(data.dataset)["splits"]
    return {split: len(entry["images"]) for split, entry in splits.items()}


def _open_array(path: Path, size: int, hint: str) -> np.ndarray:
    array = open_array(path, hint)
    if array.shape != (size,) or array.dtype != np.uint8:
        raise InputError(f"{path}: does not fit its manifest; {hint}")
    return array


def _packed_images(manifest: dict, dataset: str, split: str) -> list[tuple[str, int, int]]:
    """Name, height and width of each image of a split.

    Raises InputError for a split that is not there or empty, for a name that would leave the folder that it is put
    into, and for sizes that no image has.
    """
    path = paths.manifest_file(dataset)
    if split not in manifest["splits"]:
        raise InputError(f"{path}: damaged, or without the split {split!r}; {hint(dataset)}")
    entries = manifest["splits"][split]["images"]
    images = [(entry.get("name"), entry.get("height"), entry.get("width")) for entry in entries]
    if not images:
        raise InputError(f"{path}: the split {split!r} has no images; {hint(dataset)}")
    for name, height, width in images:
        if not is_file_name(name):
            raise InputError(f"{path}: damaged ({name!r} is no name of an image); {hint(dataset)}")
        if not _is_side(height) or not _is_side(width) or height * width > MAX_IMAGE_PIXELS:
            raise InputError(f"{path}: damaged ({name} of {height!r} x {width!r} pixels); {hint(dataset)}")
    return images


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_IMAGE_PIXELS
