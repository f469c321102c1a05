"""Files of the raw datasets: the images and label maps of each split, and what is missing. Opens no image."""

import os
from pathlib import Path
from pkgutil import resolve_name

from fbnet.config.datasets import DataConfig
from fbnet.config.labels import LabelSpec
from fbnet.config.registry import DATASETS
from fbnet.data.readers.pairs import Pair
from fbnet.errors import InputError


def find(data: DataConfig, split: str) -> tuple[list[Pair], LabelSpec]:
    """Find the files of a split.

    Returns:
        Image and label files, and the ids that the label maps hold.

    Raises:
        InputError: if anything is wrong with the folders; names the file.
    """
    entry, root = DATASETS[data.dataset], data.raw_root
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; point {entry.root_variable} or the study's data root at {data.dataset}"
        )
    reader = resolve_name(entry.reader)
    found = reader.pairs(root, split, **entry.options)
    return found, reader.label_spec(root, split) if hasattr(reader, "label_spec") else entry.labels


def missing(data: DataConfig) -> tuple[Path, ...]:
    """Return the folders and files that the study's splits need and that are missing or empty.

    Looks at no more than one entry of each folder. Synthetic scenes are drawn, so nothing is missing for them.
    """
    if data.synthetic is not None:
        return ()
    entry = DATASETS[data.dataset]
    reader = resolve_name(entry.reader)
    needed = [path for split in data.splits for path in reader.raw_paths(data.raw_root, split, **entry.options)]
    return tuple(path for path in dict.fromkeys(needed) if not _holds_something(path))


def _holds_something(path: Path) -> bool:
    if not path.is_dir():
        return path.is_file()
    with os.scandir(path) as entries:
        return any(True for _ in entries)
