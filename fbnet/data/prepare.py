"""Preparation of a split: check images and labels once, and pack them into arrays that training maps into memory.

`data/<dataset>/<split>-<key>/` holds a flat uint8 array of all images, one of all label maps, and `manifest.json` with
the size, class counts and source of each image. Sizes may differ. A split whose labels are kept by a test server has
images alone.
"""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
from tqdm import tqdm

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.config.labels import IGNORE_INDEX, LabelSpec
from fbnet.data import raw_files
from fbnet.data.images import image_size, read_labels, read_stored_image
from fbnet.data.packed import CHANNELS, FORMAT
from fbnet.data.readers.pairs import Pair
from fbnet.errors import InputError
from fbnet.io.arrays import create_array
from fbnet.io.files import new_folder, sha256

DECODERS = min(8, os.cpu_count() or 1)


def prepare(data: DataConfig, split: str) -> Path:
    """Pack a split into its folder, after drawing it if it is synthetic.

    The folder is replaced as a whole, centroids and their records included; a failure leaves an earlier one untouched.

    Returns:
        Path of the manifest.

    Raises:
        InputError: naming the raw file that is missing, damaged, or changed meanwhile.
    """
    name = data.packed_name(split)
    with _raw_root(data, split) as root:
        pairs, labels = raw_files.find(data, split, root)
        with new_folder(paths.prepared_dir(name)) as part:
            manifest = {
                "format": FORMAT,
                **data.manifest(split),
                "classes": labels.classes,
                "ignore_index": IGNORE_INDEX,
                **_listed(data, split, root),
                **_pack(pairs, split, labels, part),
            }
            (part / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
            shutil.rmtree(paths.centroid_records(name), ignore_errors=True)
    return paths.manifest_file(name)


def _listed(data: DataConfig, split: str, root: Path) -> dict[str, str]:
    """Return the sha256 of the split's list if it is raw data, as those of images are; a list in `params/` is not."""
    file = data.list_file(split)
    return {"list_sha256": sha256(file)} if file is not None and file.is_relative_to(root) else {}


def _raw_root(data: DataConfig, split: str) -> AbstractContextManager[Path]:
    """Return the folder of the raw data, for as long as they are read; synthetic scenes are drawn in it first."""
    if data.synthetic is None:
        return nullcontext(data.raw_root)
    return resolve_name(data.entry.scene_writer)(data.raw_root / split, data.synthetic, split, data.dataset)


def _pack(pairs: list[Pair], split: str, labels: LabelSpec, folder: Path) -> dict:
    """Write the arrays of a split, and return its part of the manifest."""
    states = [_state(pair) for pair in pairs]
    sizes = [_size(pair) for pair in pairs]
    pixels = sum(height * width for height, width in sizes)
    labelled = pairs[0].label is not None
    arrays = {
        kind: create_array(folder / f"{kind}.npy", CHANNELS[kind] * pixels)
        for kind in (paths.ARRAYS if labelled else ("images",))
    }
    entries, start = [], 0
    progress = tqdm(_decoded(pairs, labels), desc=f"prepare {split}", total=len(pairs), unit="image", disable=None)
    for pair, state, (height, width), (image, label) in zip(pairs, states, sizes, progress, strict=True):
        stop = start + height * width
        entry = {"name": pair.name, "height": height, "width": width, "image_sha256": sha256(pair.image)}
        if labelled:
            entry["class_pixels"] = np.bincount(label.reshape(-1), minlength=256)[: len(labels.classes)].tolist()
            entry["label_sha256"] = sha256(pair.label)
        if _state(pair) != state:
            raise InputError(f"{pair.image}: it or its label map changed meanwhile; prepare split {split!r} again")
        arrays["images"][3 * start : 3 * stop] = image.reshape(-1)
        if labelled:
            arrays["labels"][start:stop] = label.reshape(-1)
        entries.append(entry)
        start = stop
    for array in arrays.values():
        array.flush()
    manifest = {"sha256": {kind: sha256(Path(array.filename)) for kind, array in arrays.items()}}
    if labelled:
        counts = np.sum([entry["class_pixels"] for entry in entries], axis=0).tolist()
        manifest["class_pixels"] = dict(zip(labels.classes, counts, strict=True))
        manifest["ignored_pixels"] = pixels - sum(counts)
    return {**manifest, "images": entries}


def _decoded(pairs: list[Pair], labels: LabelSpec) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield images and label maps in order; threads decode a few of them ahead."""

    def decode(pair: Pair) -> tuple[np.ndarray, np.ndarray | None]:
        return read_stored_image(pair.image), None if pair.label is None else read_labels(pair.label, labels)

    with ThreadPoolExecutor(DECODERS) as pool:
        for start in range(0, len(pairs), 4 * DECODERS):
            yield from pool.map(decode, pairs[start : start + 4 * DECODERS])


def _state(pair: Pair) -> list[tuple[int, int, int]]:
    """Return what changes if a file of a pair does."""
    stats = [path.stat() for path in (pair.image, pair.label) if path is not None]
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats]


def _size(pair: Pair) -> tuple[int, int]:
    """Return (height, width) of a pair; raise InputError if image and label map differ."""
    height, width = image_size(pair.image)
    if pair.label is not None and (other := image_size(pair.label)) != (height, width):
        sizes = f"{other[1]} x {other[0]} and {width} x {height}"
        raise InputError(f"{pair.label}: label and image differ in size ({sizes}); resize or remove the pair")
    return height, width
