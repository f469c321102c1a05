"""Preparation of a data set: check images and labels once, and pack them into arrays that training maps into memory.

`data/<name>/` holds a flat uint8 array of all images and one of all label maps for each split, and `manifest.json` with
the size, class counts and sources of each image. Sizes may differ. A split whose labels are kept by a test server has
images alone.
"""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
from tqdm import tqdm

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.config.labels import IGNORE_INDEX, LabelSpec
from fbnet.config.registry import DATASETS
from fbnet.data import raw_files
from fbnet.data.images import image_size, read_labels, read_stored_image
from fbnet.data.packed import CHANNELS, FORMAT
from fbnet.data.readers.pairs import Pair
from fbnet.errors import InputError
from fbnet.io.arrays import create_array
from fbnet.io.files import sha256

DECODERS = min(8, os.cpu_count() or 1)


def prepare(data: DataConfig) -> Path:
    """Pack the splits that a study uses into `data/<dataset>/`, after drawing them if they are synthetic.

    The folder is replaced as a whole; a failure leaves an earlier one untouched.

    Returns:
        Path of the manifest.

    Raises:
        InputError: naming the raw file that is missing or damaged.
    """
    if data.synthetic is not None:
        resolve_name(DATASETS[data.dataset].scene_writer)(data.raw_root, data.synthetic, data.dataset)
    found = {split: raw_files.find(data, split) for split in data.splits}
    folder = paths.prepared_dir(data.dataset)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        manifest = {
            "format": FORMAT,
            **data.source,
            "classes": data.labels.classes,
            "ignore_index": IGNORE_INDEX,
            "splits": {split: _pack_split(pairs, split, labels, part) for split, (pairs, labels) in found.items()},
        }
        (part / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
    return paths.manifest_file(data.dataset)


def _pack_split(pairs: list[Pair], split: str, labels: LabelSpec, folder: Path) -> dict:
    """Write the arrays of a split, and return its part of the manifest."""
    sizes = [_size(pair) for pair in pairs]
    pixels = sum(height * width for height, width in sizes)
    labelled = pairs[0].label is not None
    arrays = {
        kind: create_array(folder / f"{split}_{kind}.npy", CHANNELS[kind] * pixels)
        for kind in (paths.ARRAYS if labelled else ("images",))
    }
    entries, start = [], 0
    progress = tqdm(_decoded(pairs, labels), desc=f"prepare {split}", total=len(pairs), unit="image", disable=None)
    for pair, (height, width), (image, label) in zip(pairs, sizes, progress, strict=True):
        stop = start + height * width
        entry = {"name": pair.name, "height": height, "width": width, "image_sha256": sha256(pair.image)}
        arrays["images"][3 * start : 3 * stop] = image.reshape(-1)
        if labelled:
            arrays["labels"][start:stop] = label.reshape(-1)
            entry["class_pixels"] = np.bincount(label.reshape(-1), minlength=256)[: len(labels.classes)].tolist()
            entry["label_sha256"] = sha256(pair.label)
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


def _size(pair: Pair) -> tuple[int, int]:
    """Return (height, width) of a pair; raise InputError if image and label map differ."""
    height, width = image_size(pair.image)
    if pair.label is not None and (other := image_size(pair.label)) != (height, width):
        sizes = f"{other[1]} x {other[0]} and {width} x {height}"
        raise InputError(f"{pair.label}: label and image differ in size ({sizes}); resize or remove the pair")
    return height, width
