"""Finds images and labels in the folders of Cityscapes (Cordts et al., 2016): fine, coarse and none."""

from pathlib import Path
from typing import Literal

from fbnet.data.readers.pairs import Pair, by_name, pair, unlabelled

IMAGE_ENDING = "_leftImg8bit.png"
Annotation = Literal["gtFine", "gtCoarse"]


def places(root: Path, split: str, annotation: Annotation | None) -> tuple[Path, ...]:
    """The folders of the split's images and, unless `annotation` is None, of its label maps."""
    types = ("leftImg8bit",) if annotation is None else ("leftImg8bit", annotation)
    return tuple(root / kind / split for kind in types)


def pairs(root: Path, split: str, annotation: Annotation | None) -> list[Pair]:
    """The split's images and label id maps, by `<city>_<sequence>_<frame>`.

    With None for `annotation` they are the images alone, whatever labels are there: those of the test split are
    dummies.

    Raises:
        InputError: for missing or empty folders, and for files that do not pair.
    """
    folders = places(root, split, annotation)
    images = _files(folders[0], IMAGE_ENDING)
    hint = f"expected leftImg8bit/{split}/<city>/*{IMAGE_ENDING}"
    if annotation is None:
        return unlabelled(images, root, hint)
    ending = f"_{annotation}_labelIds.png"
    return pair(images, _files(folders[1], ending), root, f"{hint} and {annotation}/{split}/<city>/*{ending}")


def _files(folder: Path, ending: str) -> dict[str, Path]:
    return by_name((path.name.removesuffix(ending), path) for path in folder.glob(f"*/*{ending}"))
