"""The readers of all data sets, by the names that studies give them, and what they miss. Opens no image."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fbnet.config.datasets import DataConfig
from fbnet.config.labels import LabelSpec
from fbnet.data.readers import bdd100k, camvid, cityscapes, mapillary
from fbnet.data.readers.pairs import Pair
from fbnet.errors import InputError


@dataclass(frozen=True)
class Reader:
    """How the files of one data set are found; each function takes its root and the name of a split."""

    raw_paths: Callable[[Path, str], tuple[Path, ...]]
    """The folders that hold a split's files, and a configuration file where there is one."""
    pairs: Callable[[Path, str], list[Pair]]
    """Its images, with their label maps unless it has none."""
    label_spec: Callable[[Path, str], LabelSpec] | None = None
    """Which ids its label maps hold, where the data set says so itself."""


def _cityscapes(annotation: cityscapes.Annotation | None) -> Reader:
    return Reader(
        raw_paths=partial(cityscapes.raw_paths, annotation=annotation),
        pairs=partial(cityscapes.pairs, annotation=annotation),
    )


_REAL = {
    "cityscapes": _cityscapes("gtFine"),
    "cityscapes_test": _cityscapes(None),
    "cityscapes_coarse": _cityscapes("gtCoarse"),
    "bdd100k": Reader(bdd100k.raw_paths, bdd100k.pairs),
    "mapillary": Reader(mapillary.raw_paths, mapillary.pairs, mapillary.label_spec),
    "camvid": Reader(camvid.raw_paths, camvid.pairs),
}
READERS = {
    **_REAL,
    "synthetic": _REAL["cityscapes"],
    "synthetic_test": _REAL["cityscapes_test"],
    "synthetic_coarse": _REAL["cityscapes_coarse"],
    "synthetic_bdd100k": _REAL["bdd100k"],
    "synthetic_mapillary": _REAL["mapillary"],
}
OFFICIAL_IMAGES = {
    "cityscapes": {"train": 2975, "val": 500},
    "cityscapes_test": {"test": 1525},
    "cityscapes_coarse": {"train_extra": 19998},
    "bdd100k": {"train": 7000, "val": 1000},
    "mapillary": {"training": 18000, "validation": 2000},
    "camvid": {"train": 367, "val": 101, "test": 233},
}
"""How many images each split of the real data sets has, as published."""


def find(data: DataConfig, split: str) -> tuple[list[Pair], LabelSpec]:
    """The files of a split, and which ids its label maps hold.

    Raises:
        InputError: for whatever is wrong with the folders, naming the file.
    """
    reader, root = READERS[data.dataset], data.raw_root
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; point {data.root_variable} or the study's data root at {data.dataset}"
        )
    found = reader.pairs(root, split)
    return found, data.labels if reader.label_spec is None else reader.label_spec(root, split)


def missing(data: DataConfig) -> tuple[Path, ...]:
    """What the splits that a study uses are read from and is not there, or is empty; nothing for synthetic scenes,
    which are drawn. Looks at no more than one entry of each folder."""
    if data.synthetic is not None:
        return ()
    places = [place for split in data.splits for place in READERS[data.dataset].raw_paths(data.raw_root, split)]
    return tuple(place for place in dict.fromkeys(places) if not _holds_something(place))


def _holds_something(place: Path) -> bool:
    if not place.is_dir():
        return place.is_file()
    with os.scandir(place) as entries:
        return any(True for _ in entries)
