"""Segmentation metrics from a confusion matrix over a whole dataset."""

import math

import numpy as np

from fbnet.config.labels import IGNORE_INDEX, LabelSpec


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels by label and prediction, without ignored ones.

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
    """Per-class IoU of a confusion matrix, (C,) float64; NaN for a class neither labelled nor predicted.

    Args:
        confusion: (C, C) int64, rows by label, columns by prediction. A further column counts labelled pixels that are
            predicted as no class: false negatives of their label's class, false positives of none.
    """
    correct = np.diag(confusion)
    union = confusion.sum(axis=0)[: len(confusion)] + confusion.sum(axis=1) - correct
    return np.divide(correct, union, out=np.full(len(confusion), np.nan), where=union > 0)


def mean_iou(iou: np.ndarray) -> float:
    """Mean IoU over the classes that occur; NaN if none does."""
    occurring = iou[~np.isnan(iou)]
    return float(occurring.mean()) if len(occurring) else float("nan")


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Fraction of the counted pixels that are predicted correctly; NaN without any."""
    return float(np.trace(confusion) / confusion.sum()) if confusion.sum() else float("nan")


def scores(confusion: np.ndarray, labels: LabelSpec) -> dict:
    """Metrics of a confusion matrix as fractions of 1; None where undefined, as the IoU of an absent class.

    Args:
        confusion: (C, C) or (C, C + 1) int64, see `class_iou`.
        labels: its C classes.
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
