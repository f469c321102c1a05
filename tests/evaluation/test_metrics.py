"""Tests of the metrics against numbers worked out by hand."""

import math

import numpy as np
import pytest

from fbnet.config.labels import CAMVID
from fbnet.evaluation.evaluate import sample_indices
from fbnet.evaluation.metrics import class_iou, confusion_matrix, mean_iou, pixel_accuracy, scores

LABELS = np.array([[0, 0, 1], [1, 255, 2]], dtype=np.uint8)
PREDICTIONS = np.array([[0, 1, 1], [1, 0, 0]], dtype=np.uint8)
CONFUSION = [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_confusion_matrix_by_hand():
    confusion = confusion_matrix(LABELS, PREDICTIONS, 4)
    assert confusion.dtype == np.int64
    assert confusion.tolist() == CONFUSION


def test_iou_by_hand():
    iou = class_iou(np.array(CONFUSION))
    assert iou[:3] == pytest.approx([1 / 3, 2 / 3, 0])
    assert math.isnan(iou[3])
    assert mean_iou(iou) == pytest.approx(1 / 3)  # the class that does not occur is left out
    assert pixel_accuracy(np.array(CONFUSION)) == pytest.approx(3 / 5)


def test_pixels_predicted_as_no_class_are_missed():
    confusion = np.array([[3, 1, 2], [0, 4, 1]])  # the last column: predicted as no class
    assert class_iou(confusion) == pytest.approx([3 / 6, 4 / 6])
    assert pixel_accuracy(confusion) == pytest.approx(7 / 11)


def test_nothing_labelled():
    empty = np.zeros((3, 3), dtype=np.int64)
    assert math.isnan(mean_iou(class_iou(empty)))
    assert math.isnan(pixel_accuracy(empty))


def test_a_wrongly_predicted_absent_class_counts():
    iou = class_iou(np.array([[3, 1], [0, 0]]))
    assert iou.tolist() == [0.75, 0.0]


def test_scores_by_hand():
    # sky 6 of 8 right, 2 taken for pole, 2 poles right; nothing else occurs
    confusion = np.zeros((11, 11), dtype=np.int64)
    confusion[0, 0], confusion[0, 2], confusion[2, 2] = 6, 2, 2
    result = scores(confusion, CAMVID)
    assert result["iou"]["sky"] == pytest.approx(6 / 8)
    assert result["iou"]["pole"] == pytest.approx(2 / 4)
    assert result["iou"]["car"] is None
    assert result["miou"] == pytest.approx((6 / 8 + 2 / 4) / 2)
    assert result["f_miou"] == pytest.approx(2 / 4)  # of sky and pole only the pole is foreground
    assert result["pixel_accuracy"] == pytest.approx(8 / 10)
    assert result["foreground"] == ("pole", "sign", "fence", "car", "pedestrian", "bicyclist")


@pytest.mark.parametrize(("images", "samples", "expected"), [(10, 3, [0, 4, 9]), (2, 8, [0, 1]), (5, 1, [0])])
def test_samples_are_evenly_spaced(images, samples, expected):
    assert sample_indices(images, samples) == expected
