"""Reader of datasets whose files are described by globs, lists and names, see `fbnet.config.registry.SplitFiles`."""

import re
from collections.abc import Iterable
from pathlib import Path

from fbnet.config.registry import DatasetEntry
from fbnet.data.readers.pairs import Pair, by_name, pair
from fbnet.errors import InputError
from fbnet.io.text import read_text

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
LABEL_SUFFIXES = (".png",)


def raw_paths(root: Path, split: str, entry: DatasetEntry) -> tuple[Path, ...]:
    """Return the folders that a split's globs begin with, and its list file."""
    files = entry.files_of(split)
    folders = (root / _fixed(glob) for glob in (files.images, files.labels) if glob)
    return (*folders, *filter(None, [files.list_file(root)]))


def pairs(root: Path, split: str, entry: DatasetEntry) -> list[Pair]:
    """Return the image and label files of a split, by the names that pair them.

    Raises:
        InputError: for a glob that matches nothing, a name that does not fit its pattern, comes twice or has no
            partner, and a list of other files than there are.
    """
    files, names = entry.files_of(split), entry.names
    if files.images is None:
        return _listed_pairs(root, files.list_file(root), entry)
    key = "" if entry.file is None else f"{entry.file}: splits.{split}."
    images = _find(root, files.images, IMAGE_SUFFIXES, names.image, f"{key}images", entry)
    labels = files.labels and _find(root, files.labels, LABEL_SUFFIXES, names.label, f"{key}labels", entry)
    if files.list is not None:
        images, labels = _listed_only(files.list_file(root), images, labels)
    expected = " and ".join(filter(None, (files.images, files.labels)))
    return pair(images, labels, root, expected)


def name_of(path: Path, pattern: str | None) -> str | None:
    """Return the name that a pattern finds in a path, without a pattern its stem; None if the pattern does not fit."""
    if pattern is None:
        return path.stem
    found = re.search(f"(?:{pattern})$", path.as_posix()) if "/" in pattern else re.fullmatch(pattern, path.name)
    return found and "_".join(filter(None, found.groups())).replace("/", "_")


def _find(
    root: Path, glob: str, suffixes: tuple[str, ...], pattern: str | None, key: str, entry: DatasetEntry
) -> dict[str, Path]:
    """Return the files of a glob that have one of the suffixes, by their names."""
    found = [path for path in root.glob(glob) if path.suffix.lower() in suffixes and path.is_file()]
    if not found and entry.file is not None:
        kinds = ", ".join(suffixes)
        raise InputError(f"{key}: {glob!r} matches no file ({kinds}) in {root}; correct it, or bring the data there")
    return by_name(_named(root, found, pattern, key), _hint(key, entry))


def _named(root: Path, files: Iterable[Path], pattern: str | None, key: str) -> Iterable[tuple[str, Path]]:
    for path in files:
        name = name_of(path.relative_to(root), pattern)
        if name is None:
            raise InputError(f"{path}: its name does not fit {pattern!r}; correct names or {key}, or rename the file")
        yield name, path


def _hint(key: str, entry: DatasetEntry) -> str:
    return "remove one of them" if entry.file is None else f"remove one of them, or correct names or {key}"


def _listed_only(
    file: Path, images: dict[str, Path], labels: dict[str, Path] | None
) -> tuple[dict[str, Path], dict[str, Path] | None]:
    """Return the images and label maps whose names are in a list."""
    names = {}
    for line, name in _lines(file):
        if name in names:
            raise InputError(f"{line}: {name!r} comes twice; keep one line of it")
        for found, what in ((images, "image"), (labels, "label map")):
            if found is not None and name not in found:
                raise InputError(f"{line}: no {what} has the name {name!r}; correct the line, or bring the file")
        names[name] = line
    return {name: images[name] for name in names}, labels and {name: labels[name] for name in names}


def _listed_pairs(root: Path, file: Path, entry: DatasetEntry) -> list[Pair]:
    """Return the pairs of a list that has an image and its label map on each line, below the root."""
    images, labels = [], {}
    for line, text in _lines(file):
        parts = text.split("\t") if "\t" in text else text.split()
        if len(parts) != 2:
            raise InputError(f"{line}: must hold an image and its label map, not {text!r}; separate two paths by a tab")
        for part in parts:
            if Path(part).is_absolute() or ".." in Path(part).parts or not (root / part).is_file():
                raise InputError(f"{line}: no file {part!r} in {root}; correct the line, or bring the file")
        image, label = (root / part for part in parts)
        name = next(iter(_named(root, [image], entry.names.image, "the list")))[0]
        images.append((name, image))
        labels[name] = label
    found = by_name(images, f"remove one of them from {file}, or correct names.image")
    return [Pair(name, found[name], labels[name]) for name in sorted(found)]


def _lines(file: Path) -> list[tuple[str, str]]:
    """Return the lines of a list with their labels for messages; raise InputError for an empty list."""
    text = read_text(file, "bring the list there, or correct its path")
    lines = [(f"{file}: line {number}", line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    found = [(label, line) for label, line in lines if line and not line.startswith("#")]
    if not found:
        raise InputError(f"{file}: is empty; list the files of the split")
    return found


def _fixed(glob: str) -> Path:
    """Return the folder that all matches of a glob lie in."""
    fixed = Path()
    for part in Path(glob).parts[:-1]:
        if set(part) & set("*?["):
            break
        fixed /= part
    return fixed
