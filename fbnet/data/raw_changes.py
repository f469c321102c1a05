"""Detection of raw files that changed since a data set was prepared from them.

Names and sizes are compared everywhere. On the machine that prepared the data, times are compared as well, and a file
with another time is hashed and compared with the manifest. Raw files that are not on this machine are skipped.
"""

import hashlib
import json
import os

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.data import raw_files
from fbnet.data.packed import read_manifest
from fbnet.errors import InputError
from fbnet.io.files import sha256, write_json
from fbnet.io.text import read_json


def digest(data: DataConfig) -> str | None:
    """Digest of the names and sizes of a study's raw files; None for drawn scenes and files that are not here."""
    files = _files(data)
    return _digest(files) if files else None


def keep_listing(data: DataConfig) -> None:
    """Write down the times of the raw files, for `changes` on this machine."""
    times = {name: stat.st_mtime_ns for name, stat in _files(data).items()}
    if times:
        write_json(paths.raw_listing(data.dataset), {"root": str(data.raw_root.resolve()), "times": times})


def changes(data: DataConfig, recorded: str | None) -> list[str]:
    """Return a sentence for each difference between the raw files here and those of the recorded digest."""
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
    """Return the raw files of the splits that a study uses, by their paths under the root."""
    if data.synthetic is not None or raw_files.missing(data):
        return {}
    pairs = (pair for split in data.splits for pair in raw_files.find(data, split)[0])
    files = (path for pair in pairs for path in (pair.image, pair.label) if path is not None)
    return {path.relative_to(data.raw_root).as_posix(): path.stat() for path in files}


def _digest(files: dict[str, os.stat_result]) -> str:
    return hashlib.sha256(json.dumps(sorted((name, stat.st_size) for name, stat in files.items())).encode()).hexdigest()


def _kept_times(data: DataConfig) -> dict[str, int]:
    """Return the times listed on this machine; empty without a readable list."""
    try:
        content = read_json(paths.raw_listing(data.dataset), "damaged", "prepare again")
    except InputError:
        return {}
    if not isinstance(content, dict) or content.get("root") != str(data.raw_root.resolve()):
        return {}
    times = content.get("times")
    return times if isinstance(times, dict) else {}


def _prepared_hashes(data: DataConfig) -> dict[str, str]:
    """Return the sha256 of each prepared raw file by its path under the root; empty without a manifest."""
    try:
        splits = read_manifest(data.dataset)["splits"]
    except InputError:
        return {}
    hashes = {}
    for split in data.splits:
        entries = {str(entry.get("name")): entry for entry in splits.get(split, {"images": []})["images"]}
        for pair in raw_files.find(data, split)[0]:
            entry = entries.get(pair.name, {})
            for path, key in ((pair.image, "image_sha256"), (pair.label, "label_sha256")):
                if path is not None and key in entry:
                    hashes[path.relative_to(data.raw_root).as_posix()] = entry[key]
    return hashes
