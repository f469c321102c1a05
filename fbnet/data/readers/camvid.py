"""Reader of CamVid's SegNet split (Brostow et al., 2009)."""

from pathlib import Path

from fbnet.data.readers.pairs import Pair, by_name, by_stem, pair

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def raw_paths(root: Path, split: str) -> tuple[Path, ...]:
    """Return the folders of a split's frames and class maps."""
    return root / split, root / f"{split}annot"


def pairs(root: Path, split: str) -> list[Pair]:
    """Return the frames in `<split>/` and their class maps in `<split>annot/`, named by file stem.

    Raises:
        InputError: for missing or empty folders, and for unpaired files.
    """
    frames, annotations = raw_paths(root, split)
    images = by_name((path.stem, path) for path in frames.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return pair(images, by_stem(annotations, ".png"), root, f"{split}/*.png (or jpg, webp) and {split}annot/*.png")
