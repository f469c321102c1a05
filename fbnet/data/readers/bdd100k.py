"""Reader of BDD100K's semantic segmentation (Yu et al., 2020), in either of its two layouts."""

from pathlib import Path

from fbnet.data.readers.pairs import Pair, by_stem, pair

# Folders of images and label maps, and the ending of label files: the present archives, and the first release.
LAYOUTS = (
    (Path("images/10k"), Path("labels/sem_seg/masks"), ".png"),
    (Path("seg/images"), Path("seg/labels"), "_train_id.png"),
)


def raw_paths(root: Path, split: str) -> tuple[Path, ...]:
    """Return the folders of a split's images and label maps."""
    images, labels, _ = _layout(root, split)
    return root / images / split, root / labels / split


def pairs(root: Path, split: str) -> list[Pair]:
    """Return a split's images and train id maps, named by the images' stems.

    Raises:
        InputError: for missing or empty folders, and for unpaired files.
    """
    images, labels = raw_paths(root, split)
    expected = " or ".join(f"{i}/{split}/*.jpg with {m}/{split}/*{e}" for i, m, e in LAYOUTS)
    return pair(by_stem(images, ".jpg"), by_stem(labels, _layout(root, split)[2]), root, expected)


def _layout(root: Path, split: str) -> tuple[Path, Path, str]:
    """Return the layout whose label folder exists, else the present one."""
    return next((layout for layout in LAYOUTS if (root / layout[1] / split).is_dir()), LAYOUTS[0])
