"""Errors by distance and by size, against label maps drawn by hand and brute force."""

import numpy as np
import pytest

from fbnet.config.labels import CAMVID, IGNORE_INDEX
from fbnet.evaluation.breakdown import AREAS, DISTANCES, boundary_distance, confusion_by_distance, counts_by_size
from fbnet.evaluation.metrics import confusion_matrix

ROAD, BUILDING, POLE, SIGN, CAR = map(CAMVID.classes.index, ("road", "building", "pole", "sign", "car"))
TRUE, MISSED, FALSE = range(3)


def random_maps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels in patches of 3 x 3 pixels with some ignored, and predictions that are partly wrong."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(CAMVID.classes), (8, 10), dtype=np.uint8).repeat(3, axis=0).repeat(3, axis=1)
    labels[generator.random(labels.shape) < 0.1] = IGNORE_INDEX
    wrong = generator.integers(0, len(CAMVID.classes), labels.shape, dtype=np.uint8)
    return labels, np.where((generator.random(labels.shape) < 0.3) | (labels == IGNORE_INDEX), wrong, labels)


def test_distance_by_hand():
    labels = np.full((1, 7), ROAD, dtype=np.uint8)
    labels[0, 2:4] = POLE
    labels[0, 6] = IGNORE_INDEX
    assert boundary_distance(labels, CAMVID).tolist() == [[2, 1, 1, 1, 1, 2, np.inf]]


@pytest.mark.parametrize("only", [ROAD, POLE])
def test_without_the_other_side_distances_are_infinite(only):
    assert np.isinf(boundary_distance(np.full((3, 4), only, dtype=np.uint8), CAMVID)).all()


def test_distance_by_brute_force():
    labels, _ = random_maps(0)
    sides = np.where(labels == IGNORE_INDEX, -1, np.isin(labels, CAMVID.foreground_ids).astype(int))
    found = boundary_distance(labels, CAMVID)
    places = np.argwhere(sides >= 0)
    for place in places:
        across = [other for other in places if sides[tuple(other)] != sides[tuple(place)]]
        assert found[tuple(place)] == pytest.approx(min(np.linalg.norm(place - other) for other in across))


def test_bands_hold_every_labelled_pixel_once():
    labels, predictions = random_maps(1)
    bands = confusion_by_distance(labels, predictions, CAMVID)
    assert len(bands) == len(DISTANCES) + 1
    assert np.array_equal(bands.sum(axis=0), confusion_matrix(labels, predictions, len(CAMVID.classes)))


def test_bands_by_hand():
    """A car of 6 x 6 pixels in a road: its rim is 1 pixel from the road, its inside 2 or 3 pixels."""
    labels = np.full((80, 90), ROAD, dtype=np.uint8)
    labels[:6, :6] = CAR
    predictions = np.full_like(labels, ROAD)
    bands = confusion_by_distance(labels, predictions, CAMVID)
    # In the corner of the image its lower and right edges alone are near road: pixels at least 3 away are 4 x 4.
    assert [int(band[CAR, ROAD]) for band in bands] == [36 - 16, 12, 4, 0, 0, 0]
    assert bands[:, ROAD, ROAD].sum() == 80 * 90 - 36


class TestSizes:
    def test_by_hand(self):
        """A pole of 20 pixels and one of 150; three of the small one are found, and two pixels are wrong besides."""
        labels = np.full((60, 60), ROAD, dtype=np.uint8)
        labels[:20, 0] = POLE
        labels[:50, 40:43] = POLE
        predictions = np.full_like(labels, BUILDING)
        predictions[:3, 0] = predictions[0, 5] = predictions[55, 41] = POLE  # the last two nearest to one pole each
        counts = counts_by_size(labels, predictions, CAMVID)[:, :, POLE]
        assert counts[:, 0].tolist() == [3, 17, 1]
        assert counts[:, 1].tolist() == [0, 150, 1]
        assert not counts[:, 2:].any()

    def test_pixels_that_touch_at_a_corner_are_one_object(self):
        labels = np.full((60, 60), ROAD, dtype=np.uint8)
        np.fill_diagonal(labels, SIGN)
        labels[:10, :5] = SIGN  # 60 + 50 - 5 pixels
        counts = counts_by_size(labels, labels, CAMVID)[TRUE, :, SIGN]
        assert counts.tolist() == [0, 105, 0, 0, 0, 0]

    def test_an_area_on_the_edge_is_of_the_next_size(self):
        labels = np.full((120, 120), ROAD, dtype=np.uint8)
        labels[:10, :10] = CAR
        assert counts_by_size(labels, labels, CAMVID)[TRUE, :, CAR].tolist() == [0, 100, 0, 0, 0, 0]
        assert AREAS[0] == 100

    def test_a_class_without_object_has_false_positives_of_no_size(self):
        labels, predictions = np.full((4, 4), ROAD, dtype=np.uint8), np.full((4, 4), CAR, dtype=np.uint8)
        labels[0] = IGNORE_INDEX
        assert counts_by_size(labels, predictions, CAMVID)[FALSE, -1, CAR] == 12

    @pytest.mark.parametrize("seed", range(3))
    def test_sums_are_those_of_the_confusion_matrix(self, seed):
        labels, predictions = random_maps(seed)
        confusion = confusion_matrix(labels, predictions, len(CAMVID.classes))
        true = np.diag(confusion)
        counts = counts_by_size(labels, predictions, CAMVID).sum(axis=1)
        for index in CAMVID.foreground_ids:
            expected = [true[index], confusion[index].sum() - true[index], confusion[:, index].sum() - true[index]]
            assert counts[:, index].tolist() == expected
        background = [index for index in range(len(CAMVID.classes)) if index not in CAMVID.foreground_ids]
        assert not counts[:, background].any()
