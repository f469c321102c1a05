"""Finds images and labels in the folders of Cityscapes (Cordts et al., 2016)."""

from pathlib import Path

from fbnet.data.pairs import Pair, by_name, pair

IMAGE_ENDING = "_leftImg8bit.png"
LABEL_ENDING = "_gtFine_labelIds.png"


def pairs(root: Path, split: str) -> list[Pair]:
    """The split's images and label id maps, by `<city>_<sequence>_<frame>`.

    Raises:
        InputError: for missing or empty folders, and for files that do not pair.
    """
    images = _files(root / "leftImg8bit" / split, IMAGE_ENDING)
    labels = _files(root / "gtFine" / split, LABEL_ENDING)
    remedy = f"expected leftImg8bit/{split}/<city>/*{IMAGE_ENDING} and gtFine/{split}/<city>/*{LABEL_ENDING}"
    return pair(images, labels, root, remedy)


def _files(folder: Path, ending: str) -> dict[str, Path]:
    return by_name((path.name.removesuffix(ending), path) for path in folder.glob(f"*/*{ending}"))
