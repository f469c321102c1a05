"""Prepared data: the manifest, and memory-mapped uint8 arrays of which reading an image touches only its own window."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, product
from pathlib import Path

import numpy as np

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.config.registry import DATASETS
from fbnet.data.limits import MAX_IMAGE_PIXELS
from fbnet.errors import InputError
from fbnet.io.arrays import check_length, open_array
from fbnet.io.text import read_json
from fbnet.names import is_file_name

FORMAT = 1
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


def open_split(data: DataConfig, split: str) -> PackedSplit:
    """Open a split of a prepared data set.

    Raises:
        InputError: if it is not prepared, was prepared from other parameters, or its files do not fit its manifest.
    """
    path, hint = paths.manifest_file(data.dataset), prepare_hint(data.dataset)
    manifest = read_manifest(data.dataset)
    images = _manifest_images(manifest, data.dataset, split)
    expected = json.loads(json.dumps({"format": FORMAT, **data.source}))
    if {key: manifest.get(key) for key in expected} != expected:
        raise InputError(f"{path}: made from other parameters than the study's; {hint}")
    *offsets, total = accumulate((height * width for _, height, width in images), initial=0)
    arrays = {
        kind: _open_array(paths.array_file(data.dataset, split, kind), CHANNELS[kind] * total, hint)
        for kind in data.arrays
    }
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
    return prepared_images(data).get(split, DATASETS[data.dataset].images.get(split))


def prepared_images(data: DataConfig) -> dict[str, int]:
    """Return the number of images of each prepared split; empty if nothing is prepared."""
    if not paths.manifest_file(data.dataset).is_file():
        return {}
    return {split: len(entry["images"]) for split, entry in read_manifest(data.dataset)["splits"].items()}


def array_hashes(data: DataConfig) -> dict[Path, str]:
    """Return the sha256 of each packed array that a study uses, as the manifest lists them.

    Raises:
        InputError: for a missing or damaged manifest.
    """
    splits = read_manifest(data.dataset)["splits"]
    hashes = {}
    for split, kind in product(data.splits, data.arrays):
        listed = splits.get(split, {}).get("sha256")
        if not isinstance(listed, dict) or not isinstance(listed.get(kind), str):
            path = paths.manifest_file(data.dataset)
            raise InputError(f"{path}: damaged (no sha256 of {kind} of {split!r}); {prepare_hint(data.dataset)}")
        hashes[paths.array_file(data.dataset, split, kind)] = listed[kind]
    return hashes


def prepare_hint(dataset: str) -> str:
    """Return the remedy for missing or damaged prepared data."""
    return f"prepare data set {dataset!r} again with `fbnet prepare`"


def read_manifest(dataset: str) -> dict:
    """Return a manifest (see `fbnet.data.prepare`) whose `splits` each have a list `images` of mappings.

    Raises:
        InputError: for a missing or damaged file.
    """
    path, hint = paths.manifest_file(dataset), prepare_hint(dataset)
    content = read_json(path, "damaged", hint)
    splits = content.get("splits") if isinstance(content, dict) else None
    if not isinstance(splits, dict):
        raise InputError(f"{path}: damaged (no mapping 'splits'); {hint}")
    for split, entry in splits.items():
        images = entry.get("images") if isinstance(entry, dict) else None
        if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
            raise InputError(f"{path}: damaged (split {split!r} has no list 'images'); {hint}")
    return content


def _open_array(path: Path, size: int, hint: str) -> np.ndarray:
    array = open_array(path, hint)
    if array.shape != (size,) or array.dtype != np.uint8:
        raise InputError(f"{path}: does not fit its manifest; {hint}")
    return array


def _manifest_images(manifest: dict, dataset: str, split: str) -> list[tuple[str, int, int]]:
    """Return name, height and width of each image of a split.

    Raises:
        InputError: for a missing or empty split, a name that would leave the folder it is written to, or an impossible
            size.
    """
    path, hint = paths.manifest_file(dataset), prepare_hint(dataset)
    if split not in manifest["splits"]:
        raise InputError(f"{path}: damaged, or without the split {split!r}; {hint}")
    entries = manifest["splits"][split]["images"]
    images = [(entry.get("name"), entry.get("height"), entry.get("width")) for entry in entries]
    if not images:
        raise InputError(f"{path}: the split {split!r} has no images; {hint}")
    for name, height, width in images:
        if not is_file_name(name):
            raise InputError(f"{path}: damaged ({name!r} is not an image name); {hint}")
        if not _is_side(height) or not _is_side(width) or height * width > MAX_IMAGE_PIXELS:
            raise InputError(f"{path}: damaged ({name} of {height!r} x {width!r} pixels); {hint}")
    return images


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_IMAGE_PIXELS
