"""Finds images and labels of BDD100K's semantic segmentation (Yu et al., 2020), in either of its two layouts."""

from pathlib import Path

from fbnet.data.pairs import Pair, by_name, pair

# Folders of images and label maps, and how a label file is named: of the present archives, and of the first release.
LAYOUTS = (
    (Path("images/10k"), Path("labels/sem_seg/masks"), ".png"),
    (Path("seg/images"), Path("seg/labels"), "_train_id.png"),
)


def pairs(root: Path, split: str) -> list[Pair]:
    """The split's images and train id maps, by the images' stems.

    Raises:
        InputError: for missing or empty folders, and for files that do not pair.
    """
    images, labels, ending = next((layout for layout in LAYOUTS if (root / layout[1] / split).is_dir()), LAYOUTS[0])
    return pair(
        by_name((path.stem, path) for path in (root / images / split).glob("*.jpg")),
        by_name((path.name.removesuffix(ending), path) for path in (root / labels / split).glob(f"*{ending}")),
        root,
        f"expected {' or '.join(f'{i}/{split}/*.jpg with {m}/{split}/*{e}' for i, m, e in LAYOUTS)}",
    )
