"""Finds images and labels in the folders of CamVid's SegNet split (Brostow et al., 2009)."""

from pathlib import Path

from fbnet.data.readers.pairs import Pair, by_name, pair

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def places(root: Path, split: str) -> tuple[Path, ...]:
    """The folders of the split's frames and class maps."""
    return root / split, root / f"{split}annot"


def pairs(root: Path, split: str) -> list[Pair]:
    """The split's frames in `<split>/` and their class maps in `<split>annot/`, by file stem.

    Raises:
        InputError: for missing or empty folders, and for files that do not pair.
    """
    frames, annotations = places(root, split)
    images = by_name((path.stem, path) for path in frames.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    labels = by_name((path.stem, path) for path in annotations.glob("*.png"))
    return pair(images, labels, root, f"expected {split}/*.png (or jpg, webp) and {split}annot/*.png")
