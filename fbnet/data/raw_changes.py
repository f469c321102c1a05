"""Detection of raw files that changed since a split was packed from them.

Names and sizes are compared everywhere. On the machine that packed the split, times are compared as well, and a file
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

Files = dict[str, os.stat_result]
"""Raw files of a split by their paths under the root."""


def list_files(data: DataConfig, split: str) -> Files:
    """List the raw files of a split; empty if they are not here."""
    if raw_files.missing(data, [split]):
        return {}
    pairs, _ = raw_files.find(data, split, data.raw_root)
    files = [path for pair in pairs for path in (pair.image, pair.label) if path is not None]
    listed = data.list_file(split)
    files += [listed] if listed is not None and listed.is_relative_to(data.raw_root) else []
    return {path.relative_to(data.raw_root).as_posix(): path.stat() for path in files}


def digest(files: Files) -> str | None:
    """Digest of the names and sizes of raw files; None if there are none."""
    sizes = sorted((name, stat.st_size) for name, stat in files.items())
    return hashlib.sha256(json.dumps(sizes).encode()).hexdigest() if sizes else None


def keep_listing(data: DataConfig, split: str, files: Files) -> None:
    """Write down the times that raw files had when packing began, for `changes` on this machine."""
    if files:
        times = {name: stat.st_mtime_ns for name, stat in files.items()}
        content = {"root": str(data.raw_root.resolve()), "times": times}
        write_json(paths.raw_listing(data.packed_name(split)), content)


def changes(data: DataConfig, split: str, recorded: str | None) -> list[str]:
    """Return a sentence for each difference between the raw files here and those of the recorded digest."""
    files = list_files(data, split)
    if not files:
        return []
    if digest(files) != recorded:
        return [f"raw data of {split} in {data.raw_root} changed"]
    times = _kept_times(data, split)
    touched = [name for name, stat in files.items() if times.get(name, stat.st_mtime_ns) != stat.st_mtime_ns]
    hashes = _prepared_hashes(data, split) if touched else {}
    return [f"{data.raw_root / name} changed" for name in touched if sha256(data.raw_root / name) != hashes.get(name)]


def _kept_times(data: DataConfig, split: str) -> dict[str, int]:
    """Return the times listed on this machine; empty without a readable list."""
    try:
        content = read_json(paths.raw_listing(data.packed_name(split)), "damaged", "prepare again")
    except InputError:
        return {}
    if not isinstance(content, dict) or content.get("root") != str(data.raw_root.resolve()):
        return {}
    times = content.get("times")
    return times if isinstance(times, dict) else {}


def _prepared_hashes(data: DataConfig, split: str) -> dict[str, str]:
    """Return the sha256 of each packed raw file by its path under the root; empty without a manifest."""
    try:
        manifest = read_manifest(data, split)
    except InputError:
        return {}
    entries = {str(entry.get("name")): entry for entry in manifest["images"]}
    hashes = {}
    if "list_sha256" in manifest:
        hashes[data.list_file(split).relative_to(data.raw_root).as_posix()] = manifest["list_sha256"]
    for pair in raw_files.find(data, split, data.raw_root)[0]:
        entry = entries.get(pair.name, {})
        for path, key in ((pair.image, "image_sha256"), (pair.label, "label_sha256")):
            if path is not None and key in entry:
                hashes[path.relative_to(data.raw_root).as_posix()] = entry[key]
    return hashes
