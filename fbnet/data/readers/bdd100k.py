"""Finds images and labels of BDD100K's semantic segmentation (Yu et al., 2020), in either of its two layouts."""

from pathlib import Path

from fbnet.data.readers.pairs import Pair, by_name, pair

# Folders of images and label maps, and how a label file is named: of the present archives, and of the first release.
LAYOUTS = (
    (Path("images/10k"), Path("labels/sem_seg/masks"), ".png"),
    (Path("seg/images"), Path("seg/labels"), "_train_id.png"),
)


def places(root: Path, split: str) -> tuple[Path, ...]:
    """The folders of the split's images and label maps."""
    images, labels, _ = _layout(root, split)
    return root / images / split, root / labels / split


def pairs(root: Path, split: str) -> list[Pair]:
    """The split's images and train id maps, by the images' stems.

    Raises:
        InputError: for missing or empty folders, and for files that do not pair.
    """
    images, labels = places(root, split)
    _, _, ending = _layout(root, split)
    return pair(
        by_name((path.stem, path) for path in images.glob("*.jpg")),
        by_name((path.name.removesuffix(ending), path) for path in labels.glob(f"*{ending}")),
        root,
        f"expected {' or '.join(f'{i}/{split}/*.jpg with {m}/{split}/*{e}' for i, m, e in LAYOUTS)}",
    )


def _layout(root: Path, split: str) -> tuple[Path, Path, str]:
    """The layout whose label folder is there, else the present one."""
    return next((layout for layout in LAYOUTS if (root / layout[1] / split).is_dir()), LAYOUTS[0])
