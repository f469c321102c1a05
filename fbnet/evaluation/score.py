"""Scores of predicted label maps, made by any program, against the ground truth."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fbnet.config.labels import LabelSpec
from fbnet.config.registry import DATASETS
from fbnet.data.images import read_labels
from fbnet.data.readers.pairs import by_name, refuse_unpaired
from fbnet.errors import InputError
from fbnet.evaluation.metrics import confusion_matrix, scores

_REPORTED = ("miou", "f_miou", "pixel_accuracy", "iou")


def score(dataset: str, predictions: Path, labels: Path) -> dict:
    """Compute the IoU over all images of two folders of PNGs, which are searched recursively.

    Cityscapes: raw ids 0 to 33, files paired by `<city>_<sequence>_<frame>`, whatever follows in a prediction's name;
    the IoUs equal those of cityscapesScripts' evaluator. CamVid: class ids 0 to 11 (void), files paired by their stem.
    Pixels labelled void are ignored. A pixel predicted void elsewhere is a false negative of its label's class, and a
    false positive of none.

    Args:
        dataset: a dataset with `label_files` in the registry.
        predictions: folder of (H, W) uint8 label maps.
        labels: folder of the ground truth, of the same sizes.

    Returns:
        `images`, their number; `miou`, `f_miou` (foreground classes, the paper's footnote 1) and `iou` by class name,
        as fractions of 1, None for a class neither labelled nor predicted, which the means leave out; and
        `pixel_accuracy`, the fraction of the pixels not labelled void that are predicted correctly.

    Raises:
        InputError: for missing or empty folders, and for files that do not pair, differ in size, are damaged or hold an
            id out of range.
    """
    spec = DATASETS[dataset].labels
    found = _pairs(_files(predictions, "*.png", dataset), _files(labels, DATASETS[dataset].label_files, dataset))
    confusion = np.zeros((len(spec.classes), len(spec.classes) + 1), dtype=np.int64)
    for prediction, label in tqdm(found, desc="score", unit="image", disable=None):
        confusion += _confusion(prediction, label, spec)
    result = scores(confusion, spec)
    return {"images": len(found), **{key: result[key] for key in _REPORTED}}


def table_rows(result: dict) -> list[tuple[str, float | None]]:
    """Rows of a score's table in percent: classes, means, pixel accuracy."""
    means = {"mIoU": result["miou"], "f-mIoU": result["f_miou"], "pixel accuracy": result["pixel_accuracy"]}
    rates = result["iou"] | means
    return [(name, None if rate is None else 100 * rate) for name, rate in rates.items()]


def _files(folder: Path, pattern: str, dataset: str) -> dict[str, Path]:
    """Files of a folder by the name that pairs them."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a folder of {pattern}")
    found = by_name(_named(folder.rglob(pattern), dataset))
    if not found:
        raise InputError(f"{folder}: holds no {pattern}; name a folder of them")
    return found


def _named(files: Iterable[Path], dataset: str) -> Iterable[tuple[str, Path]]:
    for path in files:
        pattern = DATASETS[dataset].image_name or re.escape(path.stem)
        name = re.match(pattern, path.name)
        if name is None:
            raise InputError(f"{path}: is not named like a file of {dataset} ({pattern}); rename or remove it")
        yield name.group(), path


def _pairs(predictions: dict[str, Path], labels: dict[str, Path]) -> list[tuple[Path, Path]]:
    """Prediction and ground truth of each image, sorted by name."""
    refuse_unpaired(labels, predictions, "prediction")
    refuse_unpaired(predictions, labels, "ground truth")
    return [(predictions[name], labels[name]) for name in sorted(labels)]


def _confusion(prediction: Path, label: Path, spec: LabelSpec) -> np.ndarray:
    """Confusion matrix (C, C + 1) of one image; the last column counts pixels predicted void."""
    classes = len(spec.classes)
    predicted, labelled = read_labels(prediction, spec), read_labels(label, spec)
    if predicted.shape != labelled.shape:
        sizes = " and ".join(f"{width} x {height}" for height, width in (predicted.shape, labelled.shape))
        raise InputError(f"{prediction}: prediction and ground truth differ in size ({sizes}); resize the prediction")
    return confusion_matrix(labelled, np.minimum(predicted, classes), classes + 1)[:classes]
