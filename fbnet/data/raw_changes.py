"""Whether raw data are still those that a data set was prepared from.

Wherever they lie, their names and sizes tell; on the machine that prepared them also their times: a file of another
time is hashed and compared with the manifest. What is not here is not asked for.
"""

import hashlib
import json
import os

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.data import raw_files as readers
from fbnet.data.manifest import read_manifest
from fbnet.errors import InputError
from fbnet.io.files import sha256, write_json
from fbnet.io.text import read_json


def digest(data: DataConfig) -> str | None:
    """Of the names and sizes of the raw files that a study uses; None for drawn scenes, and where they are not here."""
    files = _files(data)
    return _digest(files) if files else None


def keep_listing(data: DataConfig) -> None:
    """Writes down the times of the raw files, for `changes` on this machine."""
    files = {name: stat.st_mtime_ns for name, stat in _files(data).items()}
    if files:
        write_json(paths.raw_listing(data.dataset), {"root": str(data.raw_root.resolve()), "times": files})


def changes(data: DataConfig, recorded: str | None) -> list[str]:
    """In words, what is another than it was when the digest was recorded, as far as the raw files are here."""
    files = _files(data)
    if not files:
        return []
    if _digest(files) != recorded:
        return [f"raw data in {data.raw_root} changed"]
    times = _kept_times(data)
    touched = [name for name, stat in files.items() if times.get(name, stat.st_mtime_ns) != stat.st_mtime_ns]
    hashes = _prepared_hashes(data) if touched else {}
    return [f"{data.raw_root / name} changed" for name in touched if sha256(data.raw_root / name) != hashes.get(name)]


def _files(data: DataConfig) -> dict[str, os.stat_result]:
    """The raw files of the splits that a study uses, by their paths under the root."""
    if data.synthetic is not None or readers.missing(data):
        return {}
    found = (pair for split in data.splits for pair in readers.find(data, split)[0])
    files = (path for pair in found for path in (pair.image, pair.label) if path is not None)
    return {path.relative_to(data.raw_root).as_posix(): path.stat() for path in files}


def _digest(files: dict[str, os.stat_result]) -> str:
    return hashlib.sha256(json.dumps(sorted((name, stat.st_size) for name, stat in files.items())).encode()).hexdigest()


def _kept_times(data: DataConfig) -> dict[str, int]:
    """The times on the list that this machine keeps; none where it has none that can be read."""
    try:
        content = read_json(paths.raw_listing(data.dataset), "damaged", "prepare again")
    except InputError:
        return {}
    kept = content if isinstance(content, dict) and content.get("root") == str(data.raw_root.resolve()) else {}
    times = kept.get("times")
    return times if isinstance(times, dict) else {}


def _prepared_hashes(data: DataConfig) -> dict[str, str]:
    """sha256 of the raw files when they were prepared, by their paths under the root; none without a manifest."""
    try:
        splits = read_manifest(data.dataset)["splits"]
    except InputError:
        return {}
    hashes = {}
    for split in data.splits:
        entries = {str(entry.get("name")): entry for entry in splits.get(split, {"images": []})["images"]}
        for pair in readers.find(data, split)[0]:
            entry = entries.get(pair.name, {})
            for path, key in ((pair.image, "image_sha256"), (pair.label, "label_sha256")):
                if path is not None and key in entry:
                    hashes[path.relative_to(data.raw_root).as_posix()] = entry[key]
    return hashes
