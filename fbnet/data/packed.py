"""Prepared data: the manifest, and memory-mapped uint8 arrays of which reading an image touches only its own window."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.data.limits import MAX_IMAGE_PIXELS
from fbnet.data.scratch import local_copy
from fbnet.errors import InputError
from fbnet.io.arrays import check_length, open_array
from fbnet.io.text import read_json
from fbnet.names import is_file_name

FORMAT = 2
CHANNELS = {"images": 3, "labels": 1}


@dataclass(frozen=True, slots=True)
class PackedImage:
    """Location of an image and its label map in the flat arrays of their split."""

    name: str
    size: tuple[int, int]
    """Height and width."""
    offset: int
    """Number of pixels before the image."""
    images: np.ndarray
    labels: np.ndarray | None
    """None in a split without labels."""
    hint: str
    """Remedy for damaged files."""

    def window(self, array: np.ndarray, channels: int) -> np.ndarray:
        """Return the flat window of one of the arrays, a read-only view."""
        check_length(array, self.hint)
        height, width = self.size
        return array[channels * self.offset : channels * (self.offset + height * width)]


class PackedSplit:
    """Images and label maps of a prepared split, or of several in a row.

    Attributes:
        entries: location of each image.
        names: name of each image.
        sizes: (height, width) of each image.
    """

    def __init__(self, entries: Iterable[PackedImage]) -> None:
        self.entries = tuple(entries)
        self.names = tuple(entry.name for entry in self.entries)
        self.sizes = tuple(entry.size for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def image(self, index: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8 RGB, a read-only view.

        Raises:
            InputError: if its file has been truncated since it was opened.
        """
        entry = self.entries[index]
        return entry.window(entry.images, 3).reshape(*entry.size, 3)

    def labels(self, index: int) -> np.ndarray:
        """Return a label map, (H, W) uint8 train ids with 255 for ignored pixels, a read-only view.

        Raises:
            InputError: in a split without labels, and if the file has been truncated since it was opened.
        """
        entry = self.entries[index]
        if entry.labels is None:
            raise InputError(f"{entry.name}: has no labels, as its split is one to predict; choose a labelled split")
        return entry.window(entry.labels, 1).reshape(entry.size)


def concat(splits: Iterable[PackedSplit]) -> PackedSplit:
    """Return the images of all splits in a row, such as train and val, or fine and coarse; nothing is copied."""
    return PackedSplit(entry for split in splits for entry in split.entries)


def open_split(data: DataConfig, split: str, scratch: Path | None = None) -> PackedSplit:
    """Open a split of a prepared data set.

    Args:
        data: the data set.
        split: name of the split.
        scratch: folder on this machine's own disk whose copies of the arrays are read instead of these.

    Raises:
        InputError: if it is not prepared, was prepared from other parameters, or its files do not fit its manifest.
    """
    name, hint = data.packed_name(split), prepare_hint(data.dataset)
    path, manifest = paths.manifest_file(name), read_manifest(data, split)
    images = _manifest_images(manifest, path, hint)
    expected = {"format": FORMAT, **data.manifest(split)}
    if {key: manifest.get(key) for key in expected} != expected:
        raise InputError(f"{path}: made from other parameters than the study's; {hint}")
    *offsets, total = accumulate((height * width for _, height, width in images), initial=0)
    files = {kind: paths.array_file(name, kind) for kind in data.arrays}
    if scratch is not None:
        hashes = array_hashes(data, split)
        files = {kind: local_copy(file, hashes[file], scratch, hint) for kind, file in files.items()}
    arrays = {kind: _open_array(file, CHANNELS[kind] * total, hint) for kind, file in files.items()}
    return PackedSplit(
        PackedImage(name, (height, width), offset, arrays["images"], arrays.get("labels"), hint)
        for (name, height, width), offset in zip(images, offsets, strict=True)
    )


def split_images(data: DataConfig, split: str) -> int | None:
    """Return the number of images of a split: drawn, else prepared, else published; None if unknown.

    Raises:
        InputError: for a damaged manifest.
    """
    if data.synthetic is not None:
        return data.synthetic.images[split]
    if paths.manifest_file(data.packed_name(split)).is_file():
        return len(read_manifest(data, split)["images"])
    return data.entry.images.get(split)


def array_hashes(data: DataConfig, split: str) -> dict[Path, str]:
    """Return the sha256 of each packed array of a split, as the manifest lists them.

    Raises:
        InputError: for a missing or damaged manifest.
    """
    name, listed = data.packed_name(split), read_manifest(data, split).get("sha256")
    for kind in data.arrays:
        if not isinstance(listed, dict) or not isinstance(listed.get(kind), str):
            path, hint = paths.manifest_file(name), prepare_hint(data.dataset)
            raise InputError(f"{path}: damaged (no sha256 of {kind}); {hint}")
    return {paths.array_file(name, kind): listed[kind] for kind in data.arrays}


def prepare_hint(dataset: str) -> str:
    """Return the remedy for missing or damaged prepared data."""
    return f"prepare data set {dataset!r} again with `fbnet prepare`"


def read_manifest(data: DataConfig, split: str) -> dict:
    """Return the manifest of a split (see `fbnet.data.prepare`), which has a list `images` of mappings.

    Raises:
        InputError: for a missing or damaged file.
    """
    path, hint = paths.manifest_file(data.packed_name(split)), prepare_hint(data.dataset)
    content = read_json(path, "damaged", hint)
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        raise InputError(f"{path}: damaged (no list 'images'); {hint}")
    return content


def _open_array(path: Path, size: int, hint: str) -> np.ndarray:
    array = open_array(path, hint)
    if array.shape != (size,) or array.dtype != np.uint8:
        raise InputError(f"{path}: does not fit its manifest; {hint}")
    return array


def _manifest_images(manifest: dict, path: Path, hint: str) -> list[tuple[str, int, int]]:
    """Return name, height and width of each image of a split.

    Raises:
        InputError: for an empty split, a name that would leave the folder it is written to, or an impossible size.
    """
    images = [(entry.get("name"), entry.get("height"), entry.get("width")) for entry in manifest["images"]]
    if not images:
        raise InputError(f"{path}: damaged (no images); {hint}")
    for name, height, width in images:
        if not is_file_name(name):
            raise InputError(f"{path}: damaged ({name!r} is not an image name); {hint}")
        if not _is_side(height) or not _is_side(width) or height * width > MAX_IMAGE_PIXELS:
            raise InputError(f"{path}: damaged ({name} of {height!r} x {width!r} pixels); {hint}")
    return images


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_IMAGE_PIXELS
