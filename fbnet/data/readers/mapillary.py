"""Finds images and labels of Mapillary Vistas (Neuhold et al., 2017), in the folders of either release."""

from dataclasses import replace
from pathlib import Path

from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX, LabelSpec
from fbnet.data.readers.mapillary_labels import CLASS_OF
from fbnet.data.readers.pairs import Pair, by_name, pair
from fbnet.errors import InputError
from fbnet.io.text import read_json

# Folder of a split's label maps, and the file that says what stands in them. The first release has one pair of the
# two, the second one two, of which the 66 labels of the first are read: they are those that networks for Cityscapes
# have been pre-trained on. The 124 labels are read where they are alone.
LAYOUTS = (
    (Path("labels"), Path("config.json")),
    (Path("v1.2/labels"), Path("config_v1.2.json")),
    (Path("v2.0/labels"), Path("config_v2.0.json")),
)


def places(root: Path, split: str) -> tuple[Path, ...]:
    """The folders of the split's images and label maps, and the configuration file of the labels."""
    labels, config = next((layout for layout in LAYOUTS if (root / split / layout[0]).is_dir()), LAYOUTS[0])
    return root / split / "images", root / split / labels, root / config


def pairs(root: Path, split: str) -> list[Pair]:
    """The images and label maps of the split `training` or `validation`, by file stem.

    Raises:
        InputError: for missing or empty folders, and for files that do not pair.
    """
    images, labels, _ = places(root, split)
    return pair(
        by_name((path.stem, path) for path in images.glob("*.jpg")),
        by_name((path.stem, path) for path in labels.glob("*.png")),
        root,
        f"expected {split}/images/*.jpg with {' or '.join(f'{split}/{folder}/*.png' for folder, _ in LAYOUTS)}",
    )


def label_spec(root: Path, split: str) -> LabelSpec:
    """The classes of Cityscapes, with the ids that the configuration file gives Mapillary's labels.

    Raises:
        InputError: for a missing or damaged file, and for a label that neither release has: ignoring it could leave
            out a class of all images without a word.
    """
    path = places(root, split)[-1]
    names = _label_names(path)
    unknown = sorted(set(names) - set(CLASS_OF))
    if unknown:
        raise InputError(
            f"{path}: unknown label {unknown[0]!r}; take the file of version 1.2 or 2.0 from the data set's archive"
        )
    classes = [CLASS_OF[name] for name in names]
    raw_ids = {
        raw: IGNORE_INDEX if name is None else CITYSCAPES.classes.index(name) for raw, name in enumerate(classes)
    }
    return replace(CITYSCAPES, name=path.name, raw_ids=raw_ids)


def _label_names(path: Path) -> list[str]:
    """The labels' names; the position of each is its id."""
    hint = "copy it from the data set's archive"
    content = read_json(path, "no readable list of labels", hint)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, list) or not all(isinstance(label, dict) and "name" in label for label in labels):
        raise InputError(f"{path}: no readable list of labels; {hint}")
    names = [label["name"] for label in labels]
    if not all(isinstance(name, str) for name in names) or not 0 < len(names) <= 256:
        raise InputError(f"{path}: must name 1 to 256 labels; {hint}")
    return names
