"""Scores of predicted label maps, made by any program, against the ground truth."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fbnet.config.base import refuse, validating
from fbnet.config.dataset_files import dataset_names, find_dataset
from fbnet.config.labels import LabelSpec
from fbnet.config.registry import DATASETS, DatasetEntry, FileNames
from fbnet.data.images import read_labels
from fbnet.data.readers.described import IMAGE_SUFFIXES, name_of
from fbnet.data.readers.pairs import by_name, refuse_unpaired
from fbnet.errors import InputError
from fbnet.evaluation.metrics import confusion_matrix, scores

_REPORTED = ("miou", "f_miou", "pixel_accuracy", "iou")


def scored_dataset(name: str) -> DatasetEntry:
    """Return a dataset whose label maps can be scored. Raises InputError for any other name."""
    with validating(Path("--dataset")):
        entry = find_dataset(name)
        if not entry.scored:
            choices = [choice for choice in dataset_names() if choice not in DATASETS or DATASETS[choice].scored]
            raise refuse(f"{name} cannot be scored; choose from {', '.join(choices)}")
    return entry


def score(dataset: str, predictions: Path, labels: Path) -> dict:
    """Compute the IoU over all images of two folders of PNGs, which are searched recursively.

    Both hold the raw ids or colours of the dataset. Files are paired by the names that the dataset's `names` find in
    them, stems if it has none. Cityscapes: raw ids 0 to 33, paired by `<city>_<sequence>_<frame>`, whatever follows in
    a prediction's name; the IoUs equal those of cityscapesScripts' evaluator. Pixels labelled void are ignored. A pixel
    predicted void elsewhere is a false negative of its label's class, and a false positive of none.

    Args:
        dataset: a dataset whose files are described, see `DatasetEntry.scored`.
        predictions: folder of (H, W) uint8 label maps, or (H, W, 3) if the dataset's are RGB.
        labels: folder of the ground truth, of the same sizes.

    Returns:
        `images`, their number; `miou`, `f_miou` (foreground classes, the paper's footnote 1) and `iou` by class name,
        as fractions of 1, None for a class neither labelled nor predicted, which the means leave out; and
        `pixel_accuracy`, the fraction of the pixels not labelled void that are predicted correctly.

    Raises:
        InputError: for missing or empty folders, and for files that do not pair, differ in size, are damaged or hold an
            id out of range.
    """
    entry = scored_dataset(dataset)
    spec = entry.labels
    found = _pairs(_predictions(predictions, entry.names, dataset), _labels(labels, entry.names.label))
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


def _predictions(folder: Path, names: FileNames, dataset: str) -> dict[str, Path]:
    """Predictions of a folder by name: found as the dataset says, else as in images and label maps, or the stem."""

    def name(path: Path) -> str:
        if names.prediction is None:
            images = (name_of(path.with_suffix(suffix), names.image) for suffix in IMAGE_SUFFIXES)
            return next(filter(None, (*images, name_of(path, names.label))), path.stem)
        found = name_of(path, names.prediction)
        if found is None:
            message = f"{path}: is not named like a file of {dataset} ({names.prediction}); rename or remove it"
            raise InputError(message)
        return found

    return _by_name(folder, "*.png", name)


def _labels(folder: Path, pattern: str | None) -> dict[str, Path]:
    """Label maps of a folder by name; other files may lie beside them."""
    return _by_name(folder, "*.png" if pattern is None else pattern, lambda path: name_of(path, pattern))


def _by_name(folder: Path, expected: str, name: Callable[[Path], str | None]) -> dict[str, Path]:
    """PNGs of a folder by name, without those that have none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a folder of {expected}")
    found = by_name((found, path) for path in folder.rglob("*.png") if (found := name(path)) is not None)
    if not found:
        raise InputError(f"{folder}: holds no {expected}; name a folder of them")
    return found


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
