"""Packed splits that no study uses. Imports no torch."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from fbnet import paths
from fbnet.config.dataset_files import dataset_names
from fbnet.config.load import load_study

PACKED = re.compile(r".+-[0-9a-f]{8}(\.[0-9a-f]{8}(\.former)?\.part)?")
"""Names of packed splits and of what a killed preparation leaves; folders of other names are somebody's own."""


@dataclass(frozen=True)
class UnusedSplit:
    """A packed split that no study uses, or what a killed preparation left behind."""

    name: str
    """`<dataset>/<split>-<key>`."""
    bytes: int
    """Size of its files on this machine; 0 if only records are here."""

    @property
    def folder(self) -> Path:
        return paths.prepared_dir(self.name)

    def as_dict(self) -> dict:
        """The split as plain values."""
        return {"folder": str(self.folder), "bytes": self.bytes}


def unused_splits() -> tuple[UnusedSplit, ...]:
    """List the packed splits and records of splits that no study of `params/studies/` uses.

    Raises:
        InputError: for a study that cannot be read, as its splits are unknown.
    """
    studies = [load_study(file.stem) for file in sorted(paths.STUDIES.glob("*.yaml"))]
    used = {study.role(role).packed_name(split) for study in studies for role, split in study.splits}
    names = sorted({name for dataset in dataset_names() for name in _names(dataset)} - used)
    return tuple(UnusedSplit(name, _size(paths.prepared_dir(name))) for name in names)


def remove(split: UnusedSplit) -> None:
    """Remove a packed split with its records and its pointer for DVC."""
    for folder in (split.folder, paths.centroid_records(split.name)):
        if folder.exists():
            shutil.rmtree(folder)
    for file in (paths.provenance_file("", "prepare", split.name), paths.raw_listing(split.name), _pointer(split.name)):
        file.unlink(missing_ok=True)


def _names(dataset: str) -> list[str]:
    """Return the packed splits of a data set, by their folders and records."""
    folders = [path.name for path in paths.prepared_dir(dataset).glob("*") if path.is_dir()]
    records = [path.stem for path in (paths.PREPARE_RECORDS / dataset).glob("*.json")]
    return [f"{dataset}/{name}" for name in (*folders, *records) if PACKED.fullmatch(name)]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _pointer(name: str) -> Path:
    return paths.prepared_dir(f"{name}.dvc")
