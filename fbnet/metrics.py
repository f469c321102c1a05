"""From a confusion matrix over a whole data set to IoU."""

import numpy as np

from fbnet.data.specs import IGNORE_INDEX


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
    """Intersection over union of each class, float64 fractions; NaN for one that is neither labelled nor predicted."""
    correct = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - correct
    return np.divide(correct, union, out=np.full(len(confusion), np.nan), where=union > 0)


def mean_iou(iou: np.ndarray) -> float:
    """Mean over the classes that occur; NaN if none does."""
    occurring = iou[~np.isnan(iou)]
    return float(occurring.mean()) if len(occurring) else float("nan")


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Share of the counted pixels that are predicted right; NaN without any."""
    return float(np.trace(confusion) / confusion.sum()) if confusion.sum() else float("nan")
