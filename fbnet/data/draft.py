"""Draft of a `params/datasets/<name>.yaml`, from what a folder of pictures holds."""

import colorsys
import json
import re
from pathlib import Path

from fbnet import paths
from fbnet.config.dataset_files import MAX_FOREGROUND, dataset_names, load_dataset_file
from fbnet.data.readers import described
from fbnet.data.survey import FoundSplit, Survey, Value, survey
from fbnet.errors import InputError
from fbnet.io.files import write_text
from fbnet.names import LONGEST_WORD, WORD, is_word

EVERY = 5  # of images in folders without splits, every fifth is to be evaluated on
VOID = (255, (0, 0, 0))  # ids and colours that usually mark unlabelled pixels
SHOWN = 20  # misfits in the file


def write_draft(folder: Path, name: str | None = None) -> tuple[Path, Survey]:
    """Write a draft that describes a folder of images and label maps, and lists of splits if it has none.

    Args:
        folder: the folder, which becomes the root of the dataset.
        name: name of the dataset; by default that of the folder.

    Returns:
        The file that was written, and what was found.

    Raises:
        InputError: if the dataset has its name already, or the folder holds no pairs of images and label maps.
    """
    name = name or re.sub("[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_")[:LONGEST_WORD]
    file = paths.dataset_file(name)
    if not is_word(name):
        raise InputError(f"{name!r}: {WORD}; give a --name")
    if name in (*dataset_names(), *paths.NOT_PREPARED):
        raise InputError(f"{file}: {name} is taken; give another --name, or delete the file")
    if not paths.STUDIES.is_dir():
        raise InputError(f"{paths.STUDIES}: no such folder; run in the repository's root")
    found = survey(folder)
    splits = _splits(found, name)
    write_text(file, _text(found, name, splits))
    try:
        entry = load_dataset_file(file).entry(name, file)
        for split in entry.files:
            described.pairs(folder, split, entry)
    except InputError as error:
        found.misfits.append(f"{error}")
        write_text(file, _text(found, name, splits))
    return file, found


def _splits(found: Survey, name: str) -> dict[str, dict[str, str]]:
    """Return images, labels and list of each split; write the lists of a dataset that has no splits."""
    splits: dict[str, dict[str, str]] = {}
    for split in found.splits:
        globs = {"images": split.images.glob, "labels": split.labels.glob}
        if split.name is None:
            for part, names in (("train", _others(split.names)), ("val", split.names[::EVERY])):
                splits.setdefault(part, globs | {"list": _write_list(name, part, names)})
        elif split.name in splits:
            found.misfits.append(f"{split.images.glob}: a second split {split.name!r} is left out; merge their folders")
        else:
            splits[split.name] = globs
    return splits


def _others(names: list[str]) -> list[str]:
    held_out = set(names[::EVERY])
    return [name for name in names if name not in held_out]


def _write_list(name: str, split: str, names: list[str]) -> str:
    file = paths.DATASETS / name / f"{split}.txt"
    write_text(file, "".join(f"{entry}\n" for entry in names))
    return file.as_posix()


def _text(found: Survey, name: str, splits: dict[str, dict[str, str]]) -> str:
    """Return the draft as YAML with comments."""
    pairs = sum(len(split.names) for split in found.splits)
    sizes = ", ".join(f"{count} of {width} x {height}" for (height, width), count in found.sizes.most_common(5))
    misfits = [f"#   {line}" for line in found.misfits[:SHOWN]]
    if len(found.misfits) > SHOWN:
        misfits.append(f"#   and {len(found.misfits) - SHOWN} more")
    return "\n".join(
        [
            "# yaml-language-server: $schema=../../workflow/schemas/dataset.schema.json",
            f"# Draft by `fbnet init-dataset`: {pairs} pairs ({sizes} pixels).",
            "# Name the classes, choose the foreground, check the rest, and delete these lines.",
            *(["# What does not fit:", *misfits] if misfits else []),
            f"root: {json.dumps(found.root.as_posix())}",
            f"root_variable: {re.sub('[^A-Z0-9]', '_', f'{name.upper()}_ROOT')}",
            "splits:",
            *(f"  {split}: {_flow(files)}" for split, files in splits.items()),
            *_names(found.splits),
            *_classes(found),
            f"tile: {_tile(found)}  # side of the crops that class-uniform sampling draws by class",
            "",
        ]
    )


def _names(splits: tuple[FoundSplit, ...]) -> list[str]:
    """Return the patterns of file names, if names are not just stems."""
    endings = {"image": splits[0].images.ending, "label": splits[0].labels.ending}
    patterns = {key: rf"(.+){re.escape(ending)}\.\w+" for key, ending in endings.items() if ending}
    return [f"names: {_flow(patterns)}"] if patterns else []


def _classes(found: Survey) -> list[str]:
    """Return classes, ignored values and foreground."""
    kind, total = "rgb" if found.rgb else "ids", sum(found.pixels.values())
    void = [value for value in found.pixels if value in VOID and len(found.pixels) > 1]
    classes = {_class_name(value): value for value in found.pixels if value not in void}
    shares = {name: found.pixels[value] / total for name, value in classes.items()}
    rare = sorted(shares, key=shares.get)[: max(1, sum(share < 1 / len(classes) for share in shares.values()))]
    foreground = [name for name in classes if name in rare[:MAX_FOREGROUND]]
    lines = []
    for index, (name, value) in enumerate(classes.items()):
        entry = {"colour": _colour(found, value, index), kind: [value]}
        lines.append(f"  {name}: {_flow(entry)}  # {shares[name]:.2%} of the pixels")
    ignore = [f"ignore: {_flow({kind: void})}  # if these pixels are unlabelled; else make it a class"] if void else []
    pairs = sum(len(split.names) for split in found.splits)
    read = f"# in {found.read} of {pairs} label maps" if found.read < pairs else ""
    return [
        f"classes:  {read}".rstrip(),
        *lines,
        *ignore,
        f"foreground: [{', '.join(foreground)}]  # the rarer classes; take those that are thin or small",
    ]


def _class_name(value: Value) -> str:
    return f"id {value}" if isinstance(value, int) else f"colour {' '.join(map(str, value))}"


def _colour(found: Survey, value: Value, index: int) -> tuple[int, int, int]:
    """Return the colour that shows a class: that of the label maps if they have one, else one unlike its neighbours."""
    if not isinstance(value, int):
        return value
    if len(set(found.palette.values())) > 1 and value in found.palette:
        return found.palette[value]
    shade = colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.75, 0.95 - 0.3 * (index % 2))
    return tuple(round(255 * channel) for channel in shade)


def _tile(found: Survey) -> int:
    """Return half of the shortest side, a multiple of 8."""
    return max(8, min(map(min, found.sizes)) // 16 * 8)


def _flow(values: dict) -> str:
    """Return a mapping in one line of YAML."""
    return f"{{{', '.join(f'{key}: {json.dumps(value)}' for key, value in values.items())}}}"
