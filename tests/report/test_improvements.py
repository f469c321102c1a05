import numpy as np

from fbnet.report.improvements import Box, changes, find_boxes

SHAPE = (48, 96)  # cells of 4 x 4 pixels


def test_changes_count_only_the_classes_asked_for():
    label = np.array([[1, 1, 1, 1, 2, 255]], dtype=np.uint8)
    before = np.array([[1, 0, 1, 0, 0, 0]], dtype=np.uint8)
    after = np.array([[0, 1, 1, 0, 2, 0]], dtype=np.uint8)
    assert changes(label, before, after, [1]).tolist() == [[-1, 1, 0, 0, 0, 0]]
    assert changes(label, before, after, [1, 2]).tolist() == [[-1, 1, 0, 0, 1, 0]]


def test_boxes_are_where_pixels_were_won():
    change = np.zeros(SHAPE, dtype=np.int8)
    change[9:15, 5:22] = 1
    change[30:34, 70:75] = 1
    assert find_boxes(change) == [Box(9, 5, 15, 22, score=102), Box(30, 70, 34, 75, score=20)]


def test_no_boxes_without_wins():
    assert find_boxes(np.zeros(SHAPE, dtype=np.int8)) == []
    assert find_boxes(np.full(SHAPE, -1, dtype=np.int8)) == []


def test_wins_and_losses_that_cancel_make_no_box():
    change = np.zeros(SHAPE, dtype=np.int8)
    change[8:16, 8:16:2] = 1
    change[8:16, 9:16:2] = -1
    change[30:34, 70:75] = 1
    assert find_boxes(change) == [Box(30, 70, 34, 75, score=20)]


def test_losses_in_between_count_against_a_box():
    change = np.zeros(SHAPE, dtype=np.int8)
    change[8:12, 8:24] = 1
    change[12:16, 8:12] = 1  # an L of won cells, whose box takes in the lost ones
    change[12:16, 12:24] = -1
    assert find_boxes(change) == [Box(8, 8, 16, 24, score=64 + 16 - 48)]
    change[16:24, 8:12], change[16:24, 12:24] = 1, -1
    assert find_boxes(change) == []  # 64 + 48 won, 48 + 96 lost


def test_single_pixels_are_no_improvement():
    change = np.zeros(SHAPE, dtype=np.int8)
    change[10, 10] = 1
    assert find_boxes(change) == []


def test_only_the_largest_boxes_are_kept_apart_from_each_other():
    change = np.zeros(SHAPE, dtype=np.int8)
    for number, width in enumerate((5, 6, 7, 8)):
        change[2 + 12 * number : 6 + 12 * number, 40 : 40 + width] = 1
    assert [box.score for box in find_boxes(change)] == [32, 28, 24]
    assert [box.score for box in find_boxes(change, limit=1)] == [32]
