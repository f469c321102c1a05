"""Packs a data set: images and labels checked once, then memory-mapped uint8 arrays that training reads from.

`data/<name>/` holds, for each split, one flat array of all images and one of all label maps, and a manifest that says
where each image begins, how large it is, what it holds and what it was made from. Sizes may differ. Of a split whose
labels are with a test server there are the images alone.
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
from fbnet.data import raw_files as readers
from fbnet.data.images import image_size, read_labels, read_stored_image
from fbnet.data.packed import CHANNELS, FORMAT
from fbnet.data.readers.pairs import Pair
from fbnet.errors import InputError
from fbnet.io.arrays import create_array
from fbnet.io.files import sha256

DECODERS = min(8, os.cpu_count() or 1)


def prepare(data: DataConfig) -> Path:
    """Packs the splits of a data set that a study uses into `data/<dataset>/`; draws synthetic scenes first.

    The folder appears whole: whatever goes wrong leaves an earlier one as it was.

    Returns:
        The manifest's path.

    Raises:
        InputError: for whatever is wrong with the raw data, naming the file.
    """
    if data.synthetic is not None:
        resolve_name(DATASETS[data.dataset].scene_writer)(data.raw_root, data.synthetic, data.dataset)
    splits = {split: readers.find(data, split) for split in data.splits}
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
            "splits": {split: _pack_split(found, split, labels, part) for split, (found, labels) in splits.items()},
        }
        (part / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
    return paths.manifest_file(data.dataset)


def _pack_split(found: list[Pair], split: str, labels: LabelSpec, folder: Path) -> dict:
    """Writes a split's arrays, and returns what the manifest says of it."""
    sizes = [_size(pair) for pair in found]
    pixels = sum(height * width for height, width in sizes)
    labelled = found[0].label is not None
    arrays = {
        kind: create_array(folder / f"{split}_{kind}.npy", CHANNELS[kind] * pixels)
        for kind in (paths.ARRAYS if labelled else ("images",))
    }
    entries, offset = [], 0
    progress = tqdm(_decoded(found, labels), desc=f"prepare {split}", total=len(found), unit="image", disable=None)
    for pair, size, (image, label) in zip(found, sizes, progress, strict=True):
        step = size[0] * size[1]
        arrays["images"][3 * offset : 3 * (offset + step)] = image.reshape(-1)
        if labelled:
            arrays["labels"][offset : offset + step] = label.reshape(-1)
        offset += step
        entries.append(_entry(pair, size, label, len(labels.classes)))
    for array in arrays.values():
        array.flush()
    return {
        "sha256": {kind: sha256(Path(array.filename)) for kind, array in arrays.items()},
        **(_class_counts(entries, pixels, labels) if labelled else {}),
        "images": entries,
    }


def _decoded(found: list[Pair], labels: LabelSpec) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Images and label maps in order, a few decoded ahead by threads."""

    def decode(pair: Pair) -> tuple[np.ndarray, np.ndarray | None]:
        return read_stored_image(pair.image), None if pair.label is None else read_labels(pair.label, labels)

    with ThreadPoolExecutor(DECODERS) as pool:
        for start in range(0, len(found), 4 * DECODERS):
            yield from pool.map(decode, found[start : start + 4 * DECODERS])


def _entry(pair: Pair, size: tuple[int, int], label: np.ndarray | None, classes: int) -> dict:
    entry = {"name": pair.name, "height": size[0], "width": size[1], "image_sha256": sha256(pair.image)}
    if label is not None:
        entry["class_pixels"] = np.bincount(label.reshape(-1), minlength=256)[:classes].tolist()
        entry["label_sha256"] = sha256(pair.label)
    return entry


def _class_counts(entries: list[dict], pixels: int, labels: LabelSpec) -> dict:
    counts = np.sum([entry["class_pixels"] for entry in entries], axis=0)
    return {
        "class_pixels": {name: int(count) for name, count in zip(labels.classes, counts, strict=True)},
        "ignored_pixels": pixels - int(counts.sum()),
    }


def _size(pair: Pair) -> tuple[int, int]:
    """(height, width) of a pair. Raises InputError if the two differ."""
    height, width = image_size(pair.image)
    if pair.label is not None:
        other = image_size(pair.label)
        if other != (height, width):
            sizes = f"{other[1]} x {other[0]} and {width} x {height}"
            raise InputError(f"{pair.label}: label and image differ in size ({sizes}); resize or remove the pair")
    return height, width
