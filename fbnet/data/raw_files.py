"""Files of the raw datasets: the images and label maps of each split, and what is missing. Opens no image."""

import os
from collections.abc import Iterable
from pathlib import Path
from pkgutil import resolve_name

from fbnet.config.datasets import DataConfig
from fbnet.config.labels import LabelSpec
from fbnet.config.registry import DatasetEntry
from fbnet.data.readers.pairs import Pair
from fbnet.errors import InputError


def find(data: DataConfig, split: str, root: Path) -> tuple[list[Pair], LabelSpec]:
    """Find the files of a split in the folders of its data set below `root`.

    Returns:
        Image and label files, and the ids that the label maps hold.

    Raises:
        InputError: if anything is wrong with the folders; names the file.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; point {data.raw_root_hint} at {data.dataset}")
    reader = resolve_name(data.entry.reader)
    found = reader.pairs(root, split, *_described(data.entry))
    return found, reader.label_spec(root, split) if hasattr(reader, "label_spec") else data.labels


def missing(data: DataConfig, splits: Iterable[str]) -> tuple[Path, ...]:
    """Return the folders and files that these splits need and that are missing or empty.

    Looks at no more than one entry of each folder. Synthetic scenes are drawn, so nothing is missing for them.
    """
    if data.synthetic is not None:
        return ()
    reader = resolve_name(data.entry.reader)
    described = _described(data.entry)
    needed = [path for split in splits for path in reader.raw_paths(data.raw_root, split, *described)]
    return tuple(path for path in dict.fromkeys(needed) if not _holds_something(path))


def _described(entry: DatasetEntry) -> tuple[DatasetEntry, ...]:
    """Return the entry as a further argument of its reader, if the reader takes one."""
    return (entry,) if entry.files else ()


def _holds_something(path: Path) -> bool:
    if not path.is_dir():
        return path.is_file()
    with os.scandir(path) as entries:
        return any(True for _ in entries)
