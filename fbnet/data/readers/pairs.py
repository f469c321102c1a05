"""Pairs of image and label files, as the readers find them in the folders of a data set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fbnet.errors import InputError
from fbnet.names import LONGEST_NAME, is_file_name


@dataclass(frozen=True)
class Pair:
    """An image file and its label file, under the name that the data set gives them."""

    name: str
    image: Path
    label: Path | None
    """None in a split without labels."""


def by_name(files: Iterable[tuple[str, Path]], hint: str = "remove one of them") -> dict[str, Path]:
    """Return files by their names; raise InputError for an unprintable name and, with a hint, for two of one name."""
    found = {}
    for name, path in sorted(files, reverse=True):
        if not is_file_name(name):
            raise InputError(f"{path}: unfit name; rename it to at most {LONGEST_NAME} bytes of printable characters")
        if name in found:
            raise InputError(f"{found[name]}: has the same name as {path}; {hint}")
        found[name] = path
    return found


def by_stem(folder: Path, ending: str, pattern: str = "*") -> dict[str, Path]:
    """Return the files of a folder that match pattern and ending, by their names without the ending."""
    return by_name((path.name.removesuffix(ending), path) for path in folder.glob(pattern + ending))


def refuse_unpaired(found: Mapping[str, Path], other: Mapping[str, Path], what: str) -> None:
    """Raise InputError for a file of `found` whose name is not in `other`, where its `what` should be."""
    alone = sorted(set(found) - set(other))
    if alone:
        more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
        raise InputError(f"{found[alone[0]]}: has no {what}{more}; add the {what} or remove the file")


def pair(images: Mapping[str, Path], labels: Mapping[str, Path] | None, root: Path, expected: str) -> list[Pair]:
    """Return image and label files of the same name, sorted by it; with None for labels, the images alone.

    Raises:
        InputError: if there are no files, an image has no label, or a label has no image.
    """
    if not images and not labels:
        raise InputError(f"{root}: holds no images{'' if labels is None else ' and labels'}; expected {expected}")
    if labels is None:
        return [Pair(name, images[name], None) for name in sorted(images)]
    refuse_unpaired(images, labels, "label")
    refuse_unpaired(labels, images, "image")
    return [Pair(name, images[name], labels[name]) for name in sorted(images)]
