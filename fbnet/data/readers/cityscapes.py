"""Reader of Cityscapes (Cordts et al., 2016), with fine labels, coarse labels or none."""

from pathlib import Path
from typing import Literal

from fbnet.data.readers.pairs import Pair, by_stem, pair

IMAGE_ENDING = "_leftImg8bit.png"
Annotation = Literal["gtFine", "gtCoarse"]


def raw_paths(root: Path, split: str, annotation: Annotation | None) -> tuple[Path, ...]:
    """Return the folders of a split's images and, unless `annotation` is None, of its label maps."""
    kinds = ("leftImg8bit",) if annotation is None else ("leftImg8bit", annotation)
    return tuple(root / kind / split for kind in kinds)


def pairs(root: Path, split: str, annotation: Annotation | None) -> list[Pair]:
    """Return a split's images and label id maps, named `<city>_<sequence>_<frame>`.

    With None for `annotation`, any label maps are left alone: those of the test split are dummies.

    Raises:
        InputError: for missing or empty folders, and for unpaired files.
    """
    images, *labels = raw_paths(root, split, annotation)
    found = by_stem(images, IMAGE_ENDING, "*/*")
    expected = f"leftImg8bit/{split}/<city>/*{IMAGE_ENDING}"
    if annotation is None:
        return pair(found, None, root, expected)
    ending = f"_{annotation}_labelIds.png"
    return pair(found, by_stem(*labels, ending, "*/*"), root, f"{expected} and {annotation}/{split}/<city>/*{ending}")
