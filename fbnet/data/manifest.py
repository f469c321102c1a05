"""Reads the manifest of a prepared data set, see `fbnet.data.prepare`."""

from fbnet import paths
from fbnet.errors import InputError
from fbnet.io.text import read_json


def hint(dataset: str) -> str:
    """What to do about prepared data that are missing or damaged."""
    return f"prepare data set {dataset!r} again with `fbnet prepare`"


def read_manifest(dataset: str) -> dict:
    """A manifest, of which it is sure that `splits` has mappings, each with a list `images` of mappings.

    Raises InputError for a missing or damaged file.
    """
    path = paths.manifest_file(dataset)
    content = read_json(path, "damaged", hint(dataset))
    splits = content.get("splits") if isinstance(content, dict) else None
    if not isinstance(splits, dict):
        raise InputError(f"{path}: damaged (no mapping 'splits'); {hint(dataset)}")
    for split, entry in splits.items():
        images = entry.get("images") if isinstance(entry, dict) else None
        if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
            raise InputError(f"{path}: damaged (split {split!r} has no list 'images'); {hint(dataset)}")
    return content
