"""Files of the raw datasets: the images and label maps of each split, and what is missing. Opens no image."""

import os
from collections.abc import Iterable
from pathlib import Path
from pkgutil import resolve_name

from fbnet.config.datasets import DataConfig
from fbnet.config.labels import LabelSpec
from fbnet.config.registry import DATASETS
from fbnet.data.readers.pairs import Pair
from fbnet.errors import InputError


def find(data: DataConfig, split: str, root: Path) -> tuple[list[Pair], LabelSpec]:
    """Find the files of a split in the folders of its data set below `root`.

    Returns:
        Image and label files, and the ids that the label maps hold.

    Raises:
        InputError: if anything is wrong with the folders; names the file.
    """
    entry = DATASETS[data.dataset]
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; point {entry.root_variable} or the study's data root at {data.dataset}"
        )
    reader = resolve_name(entry.reader)
    found = reader.pairs(root, split, **entry.options)
    return found, reader.label_spec(root, split) if hasattr(reader, "label_spec") else entry.labels


def missing(data: DataConfig, splits: Iterable[str]) -> tuple[Path, ...]:
    """Return the folders and files that these splits need and that are missing or empty.

    Looks at no more than one entry of each folder. Synthetic scenes are drawn, so nothing is missing for them.
    """
    if data.synthetic is not None:
        return ()
    entry = DATASETS[data.dataset]
    reader = resolve_name(entry.reader)
    needed = [path for split in splits for path in reader.raw_paths(data.raw_root, split, **entry.options)]
    return tuple(path for path in dict.fromkeys(needed) if not _holds_something(path))


def _holds_something(path: Path) -> bool:
    if not path.is_dir():
        return path.is_file()
    with os.scandir(path) as entries:
        return any(True for _ in entries)
