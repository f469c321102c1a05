"""Survey of a folder of pictures: which are images, which label maps, how they pair, and what the label maps hold."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from fbnet.data.images import COLOUR_LABEL_MODES, DAMAGED, image_size, read_ids, read_stored_image
from fbnet.data.readers.described import IMAGE_SUFFIXES, LABEL_SUFFIXES
from fbnet.errors import InputError

SAMPLES = 3  # files of a group that are opened to tell images from label maps
READ = 500  # label maps whose values are counted
MAX_VALUES = 256
FLAT = 0.7  # share of pixels that are like their right neighbour, from which on a picture is a label map
MAX_ENDINGS = 5  # different endings of file names in one folder; with more, endings are part of the names
SPLITS = {"train": "train", "val": "val", "valid": "val", "dev": "val", "test": "test"}
_ENDING = re.compile(r"(?:[_-][A-Za-z][A-Za-z0-9]*)+$")
_SPLIT = re.compile(rf"({'|'.join(SPLITS)})", re.IGNORECASE)

Value = int | tuple[int, int, int]


@dataclass(frozen=True)
class Group:
    """Files of one kind that belong together: those below a folder that end alike."""

    folder: Path
    """Below the root."""
    ending: str
    """End of their stems, not part of their names."""
    files: dict[str, Path]
    """By name."""
    nested: bool
    """True if some lie in folders below."""

    @property
    def glob(self) -> str:
        """Pattern of the files below the root."""
        suffixes = {path.suffix for path in self.files.values()}
        suffix = suffixes.pop() if len(suffixes) == 1 else ".*"
        return (self.folder / ("**" if self.nested else "") / f"*{self.ending}{suffix}").as_posix()


@dataclass(frozen=True)
class FoundSplit:
    """Images and label maps that pair."""

    name: str | None
    """Split that a folder is named after; None if none is."""
    images: Group
    labels: Group

    @property
    def names(self) -> list[str]:
        """Names of the pairs."""
        return sorted(self.images.files.keys() & self.labels.files.keys())


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Everything that was found in a folder."""

    root: Path
    splits: tuple[FoundSplit, ...]
    sizes: Counter[tuple[int, int]]
    """Pairs by height and width."""
    rgb: bool
    """True if label maps are RGB pictures."""
    pixels: dict[Value, int]
    """Pixels of each value in the label maps that were read."""
    palette: dict[Value, tuple[int, int, int]]
    """Colours that the label maps show ids in; empty unless they have a palette."""
    read: int
    """Number of label maps that were read."""
    misfits: list[str] = field(default_factory=list)
    """What does not fit, in one sentence each."""


def survey(root: Path) -> Survey:
    """Look at a folder of images and label maps.

    Raises:
        InputError: if it holds no pairs of images and label maps, or label maps of more than 256 values.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; name a folder of images and label maps")
    misfits: list[str] = []
    images, labels = _groups(root, misfits)
    splits = _pair(images, labels, misfits)
    if not splits:
        files = sum(len(group.files) for group in (*images, *labels))
        kinds = f"{len(images)} folders of images and {len(labels)} of label maps"
        problem = f"no image has a label map ({files} pictures, {kinds})" if files else "holds no pictures"
        raise InputError(f"{root}: {problem}; name a folder of images and of label maps, PNGs with the same file names")
    sizes: Counter[tuple[int, int]] = Counter()
    for split in splits:
        _measure(split, sizes, misfits)
    maps = [split.labels.files[name] for split in splits for name in split.names]
    read = maps[:: -(-len(maps) // READ)]
    rgb = _mode(read[0]) not in ("L", "P")
    return Survey(
        root=root,
        splits=splits,
        sizes=sizes,
        rgb=rgb,
        pixels=_count(read, rgb=rgb),
        palette={} if rgb else _palette(read[0]),
        read=len(read),
        misfits=misfits,
    )


def _groups(root: Path, misfits: list[str]) -> tuple[list[Group], list[Group]]:
    """Return the groups of images and of label maps below a folder."""
    by_folder: defaultdict[Path, list[Path]] = defaultdict(list)
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root)
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not inner.name.startswith("."):
            by_folder[inner.parent].append(path)
    parts = [
        (folder, ending, files, _is_labels(files, misfits))
        for folder, found in by_folder.items()
        for ending, files in _by_ending(found).items()
    ]
    kinds: tuple[list[Group], list[Group]] = ([], [])
    for is_labels, groups in zip((False, True), kinds, strict=True):
        merged: defaultdict[tuple[Path, str], list] = defaultdict(list)
        for folder, ending, files, kind in parts:
            if kind is is_labels:
                merged[_top(folder), ending].append((folder, files))
        for (top, ending), members in merged.items():
            groups += _merge(top, ending, members)
    return kinds


def _by_ending(files: list[Path]) -> dict[str, list[Path]]:
    """Return the files of a folder by the end of their stems, if there are only a few different ones."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files:
        ending = _ENDING.search(path.stem)
        found[ending.group() if ending and ending.start() else ""].append(path)
    return dict(found) if len(found) <= min(MAX_ENDINGS, len(files) // 2 or 1) else {"": files}


def _is_labels(files: list[Path], misfits: list[str]) -> bool | None:
    """Return True for label maps, False for images, None for pictures that are neither."""
    if not {path.suffix.lower() for path in files} <= set(LABEL_SUFFIXES):
        return False
    found = []
    for path in files[:: -(-len(files) // SAMPLES)]:
        if (mode := _mode(path)) not in (None, "L", *COLOUR_LABEL_MODES):
            misfits.append(f"{path.parent}: pictures of mode {mode} are neither images nor label maps of 8 bits")
            return None
        try:
            pixels = read_ids(path, str(path))[..., None] if mode in ("L", "P") else read_stored_image(path)
        except InputError as error:
            misfits.append(str(error))
            continue
        found.append(bool((pixels[:, 1:] == pixels[:, :-1]).all(axis=-1).mean() >= FLAT))
    return all(found) if found else None


def _top(folder: Path) -> Path:
    """Return the folder whose files belong together: down to the one named after a split, else the first."""
    for depth, part in enumerate(folder.parts, start=1):
        if _SPLIT.match(part):
            return Path(*folder.parts[:depth])
    return Path(*folder.parts[:1])


def _merge(top: Path, ending: str, members: list[tuple[Path, list[Path]]]) -> list[Group]:
    """Return one group of all folders below `top` if their names differ, else one of each folder."""
    names = Counter(_name(path, ending) for _, files in members for path in files)
    if len(members) > 1 and max(names.values()) == 1:
        files = {_name(path, ending): path for _, found in members for path in found}
        return [Group(top, ending, files, nested=True)]
    return [
        Group(folder, ending, {_name(path, ending): path for path in found}, nested=False) for folder, found in members
    ]


def _name(path: Path, ending: str) -> str:
    return path.stem.removesuffix(ending)


def _pair(images: list[Group], labels: list[Group], misfits: list[str]) -> tuple[FoundSplit, ...]:
    """Return each group of images with the group of label maps that shares most names, and say what is left over."""
    splits, used = [], []
    for group in images:
        split = _split_of(group.folder)
        fitting = [other for other in labels if _split_of(other.folder) in (split, None) and other not in used]
        best = max(
            fitting, key=lambda other: (len(group.files.keys() & other.files.keys()), _has_ids(other)), default=None
        )
        if best is None or not group.files.keys() & best.files.keys():
            misfits.append(f"{group.glob}: {len(group.files)} images without label maps are left out")
            continue
        used.append(best)
        splits.append(FoundSplit(split, group, best))
        alone = (len(group.files.keys() - best.files.keys()), len(best.files.keys() - group.files.keys()))
        for count, what, other in zip(alone, (group, best), ("label map", "image"), strict=True):
            if count:
                misfits.append(f"{what.glob}: {count} files have no {other}")
    misfits += [f"{group.glob}: {len(group.files)} label maps are left out" for group in labels if group not in used]
    return tuple(splits)


def _split_of(folder: Path) -> str | None:
    found = next(filter(None, map(_SPLIT.match, folder.parts)), None)
    return found and SPLITS[found.group(1).lower()]


def _has_ids(group: Group) -> bool:
    return _mode(next(iter(group.files.values()))) in ("L", "P")


def _measure(split: FoundSplit, sizes: Counter[tuple[int, int]], misfits: list[str]) -> None:
    """Count the sizes of a split's pairs, and say which label maps differ from their images."""
    for name in split.names:
        image, label = split.images.files[name], split.labels.files[name]
        try:
            size, other = image_size(image), image_size(label)
        except InputError as error:
            misfits.append(str(error))
            continue
        if size != other:
            misfits.append(f"{label}: {other[1]} x {other[0]} pixels, but its image has {size[1]} x {size[0]}")
        sizes[size] += 1


def _count(files: Iterable[Path], *, rgb: bool) -> dict[Value, int]:
    """Count the pixels of each value in label maps."""
    counts: Counter[Value] = Counter()
    for path in files:
        if rgb:
            values, pixels = np.unique(read_stored_image(path).reshape(-1, 3), axis=0, return_counts=True)
            counts.update(dict(zip(map(tuple, values.tolist()), pixels.tolist(), strict=True)))
        else:
            values, pixels = np.unique(read_ids(path, str(path)), return_counts=True)
            counts.update(dict(zip(values.tolist(), pixels.tolist(), strict=True)))
        if len(counts) > MAX_VALUES:
            raise InputError(
                f"{path}: with the label maps before it, more than {MAX_VALUES} colours; label maps have one flat "
                "colour for each class, not blended edges: save them as PNG without smoothing"
            )
    return dict(sorted(counts.items()))


def _mode(path: Path) -> str | None:
    """Return Pillow's mode of a picture; None if it cannot be opened."""
    try:
        with Image.open(path) as image:
            return image.mode
    except DAMAGED:
        return None


def _palette(path: Path) -> dict[Value, tuple[int, int, int]]:
    """Return the colours of a PNG with a palette by id; empty for any other."""
    with Image.open(path) as image:
        flat = image.getpalette("RGB") if image.mode == "P" else None
    return {index: tuple(flat[3 * index : 3 * index + 3]) for index in range(len(flat) // 3)} if flat else {}
