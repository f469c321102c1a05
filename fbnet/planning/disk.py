"""Sizes of prepared data and checkpoints on disk. Imports no torch."""

from collections import Counter
from pathlib import Path

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.data.packed import prepare_hint, read_manifest, split_images
from fbnet.errors import InputError

CHECKPOINT_BYTES = 4  # per parameter


def image_sizes(data: DataConfig, split: str) -> Counter[tuple[int, int]] | None:
    """Count the images of a split by height and width; None if their number is unknown.

    Synthetic scenes are counted as the study declares them, others as prepared, else as published.

    Raises:
        InputError: for a damaged manifest.
    """
    images, manifest = split_images(data, split), paths.manifest_file(data.packed_name(split))
    if data.synthetic is not None:
        return Counter({(data.synthetic.height, data.synthetic.width): images})
    if manifest.is_file():
        return Counter(_size(image, manifest, data.dataset) for image in read_manifest(data, split)["images"])
    return None if images is None else Counter({data.entry.size: images})


def data_bytes(data: DataConfig) -> int | None:
    """Bytes of all prepared splits that a study uses; None if unknown. Raises InputError for a damaged manifest."""
    sizes = [image_sizes(data, split) for split in data.splits]
    if None in sizes:
        return None
    pixels = sum(height * width * images for counted in sizes for (height, width), images in counted.items())
    return (4 if data.labelled else 3) * pixels


def _size(image: dict, manifest: Path, dataset: str) -> tuple[int, int]:
    size = image.get("height"), image.get("width")
    if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size):
        raise InputError(f"{manifest}: damaged (an image of {size}); {prepare_hint(dataset)}")
    return size
