"""An image with its label map, as the readers find them, and what can be wrong with the folders."""

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


def by_name(files: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Files by their names. Raises InputError where two have the same, or one has none that can be written down."""
    found = {}
    for name, path in sorted(files, reverse=True):
        if not is_file_name(name):
            raise InputError(f"{path}: has an unfit name; rename it, with at most {LONGEST_NAME} printable characters")
        if name in found:
            raise InputError(f"{found[name]}: is there twice, beside {path}; remove one of them")
        found[name] = path
    return found


def refuse_unpaired(found: Mapping[str, Path], other: Mapping[str, Path], what: str) -> None:
    """Raises InputError for a file of `found` whose name is not in `other`, where its `what` should be."""
    alone = sorted(set(found) - set(other))
    if alone:
        more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
        raise InputError(f"{found[alone[0]]}: has no {what}{more}; add the {what} or remove the file")


def pair(images: Mapping[str, Path], labels: Mapping[str, Path], folder: Path, hint: str) -> list[Pair]:
    """Image and label files with the same name, sorted by it.

    Raises:
        InputError: for an empty folder, and for an image without label or a label without image.
    """
    if not images and not labels:
        raise InputError(f"{folder}: holds no images and labels; {hint}")
    refuse_unpaired(images, labels, "label")
    refuse_unpaired(labels, images, "image")
    return [Pair(name, images[name], labels[name]) for name in sorted(images)]


def unlabelled(images: Mapping[str, Path], folder: Path, hint: str) -> list[Pair]:
    """Image files of a split without labels, sorted by name. Raises InputError for an empty folder."""
    if not images:
        raise InputError(f"{folder}: holds no images; {hint}")
    return [Pair(name, images[name], None) for name in sorted(images)]
