"""From a confusion matrix over a whole data set to IoU."""

import math

import numpy as np

from fbnet.config.labels import IGNORE_INDEX, LabelSpec


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Counts pixels by label and prediction; ignored pixels are left out.

    Args:
        labels: train ids below `classes`, or 255 for ignored, any shape, uint8.
        predictions: train ids below `classes`, the same shape.
        classes: number of classes.

    Returns:
        (classes, classes) int64, rows by label, columns by prediction.
    """
    counted = labels != IGNORE_INDEX
    pairs = labels[counted].astype(np.int64) * classes + predictions[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, float64 fractions; NaN for one that is neither labelled nor predicted.

    Args:
        confusion: (C, C) int64, rows by label, columns by prediction. A further column counts the labelled pixels that
            are predicted as no class: they are missed ones of their label's class, and wrong ones of none.
    """
    correct = np.diag(confusion)
    union = confusion.sum(axis=0)[: len(confusion)] + confusion.sum(axis=1) - correct
    return np.divide(correct, union, out=np.full(len(confusion), np.nan), where=union > 0)


def mean_iou(iou: np.ndarray) -> float:
    """Mean over the classes that occur; NaN if none does."""
    occurring = iou[~np.isnan(iou)]
    return float(occurring.mean()) if len(occurring) else float("nan")


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Share of the counted pixels that are predicted right; NaN without any."""
    return float(np.trace(confusion) / confusion.sum()) if confusion.sum() else float("nan")


def scores(confusion: np.ndarray, labels: LabelSpec) -> dict:
    """What a confusion matrix says, as fractions of 1; null for what is not defined, such as an absent class's IoU.

    Args:
        confusion: (C, C) or (C, C + 1) int64, see `class_iou`.
        labels: its classes.
    """
    iou = class_iou(confusion)
    return {
        "classes": labels.classes,
        "foreground": labels.foreground,
        "miou": _number(mean_iou(iou)),
        "f_miou": _number(mean_iou(iou[list(labels.foreground_ids)])),
        "iou": {name: _number(value) for name, value in zip(labels.classes, iou, strict=True)},
        "pixel_accuracy": _number(pixel_accuracy(confusion)),
        "confusion_matrix": confusion.tolist(),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
