"""Reader of Mapillary Vistas (Neuhold et al., 2017), in the folders of either release."""

from dataclasses import replace
from pathlib import Path

from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX, LabelSpec
from fbnet.data.readers.mapillary_labels import CLASS_OF
from fbnet.data.readers.pairs import Pair, by_stem, pair
from fbnet.errors import InputError
from fbnet.io.text import read_json

# Folder of a split's label maps, and the configuration file that names their ids. The second release has two such
# pairs. The 66 labels of version 1.2 are preferred, because networks for Cityscapes have been pre-trained on them.
LAYOUTS = (
    (Path("labels"), Path("config.json")),
    (Path("v1.2/labels"), Path("config_v1.2.json")),
    (Path("v2.0/labels"), Path("config_v2.0.json")),
)


def raw_paths(root: Path, split: str) -> tuple[Path, ...]:
    """Return the folders of a split's images and label maps, and the configuration file of the labels."""
    labels, config = next((layout for layout in LAYOUTS if (root / split / layout[0]).is_dir()), LAYOUTS[0])
    return root / split / "images", root / split / labels, root / config


def pairs(root: Path, split: str) -> list[Pair]:
    """Return the images and label maps of the split `training` or `validation`, named by file stem.

    Raises:
        InputError: for missing or empty folders, and for unpaired files.
    """
    images, labels, _ = raw_paths(root, split)
    expected = f"{split}/images/*.jpg with {' or '.join(f'{split}/{folder}/*.png' for folder, _ in LAYOUTS)}"
    return pair(by_stem(images, ".jpg"), by_stem(labels, ".png"), root, expected)


def label_spec(root: Path, split: str) -> LabelSpec:
    """Return the classes of Cityscapes, with the ids that the configuration file gives Mapillary's labels.

    Raises:
        InputError: for a missing or damaged file, and for an unknown label, because ignoring it could silently drop a
            class from all images.
    """
    path, hint = raw_paths(root, split)[-1], "copy it from the data set's archive"
    content = read_json(path, "no readable list of labels", hint)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, list) or not all(isinstance(label, dict) and "name" in label for label in labels):
        raise InputError(f"{path}: no readable list of labels; {hint}")
    names = [label["name"] for label in labels]
    if not all(isinstance(name, str) for name in names) or not 0 < len(names) <= 256:
        raise InputError(f"{path}: must name 1 to 256 labels; {hint}")
    unknown = sorted(set(names) - set(CLASS_OF))
    if unknown:
        raise InputError(
            f"{path}: unknown label {unknown[0]!r}; take the file of version 1.2 or 2.0 from the data set's archive"
        )
    train_ids = {None: IGNORE_INDEX} | {name: train_id for train_id, name in enumerate(CITYSCAPES.classes)}
    raw_ids = {raw_id: train_ids[CLASS_OF[name]] for raw_id, name in enumerate(names)}
    return replace(CITYSCAPES, name=path.name, raw_ids=raw_ids)
