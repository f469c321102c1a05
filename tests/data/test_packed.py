"""Concatenated splits are their parts in a row."""

import numpy as np
import pytest

from fbnet.data.packed import concat
from fbnet.errors import InputError
from tests.data.splits import packed_split


def test_all_images_in_order():
    train, val = (
        packed_split([(4, 6), (3, 5)], name="train"),
        packed_split([(2, 2), (4, 6), (1, 3)], name="val", seed=1),
    )
    both = concat([train, val])
    assert len(both) == 5
    assert both.names == ("train_0", "train_1", "val_0", "val_1", "val_2")
    assert both.sizes == ((4, 6), (3, 5), (2, 2), (4, 6), (1, 3))
    for index, (part, position) in enumerate([(train, 0), (train, 1), (val, 0), (val, 1), (val, 2)]):
        assert np.array_equal(both.image(index), part.image(position))
        assert np.array_equal(both.labels(index), part.labels(position))
        assert both.image(index).shape == (*both.sizes[index], 3)


def test_nothing_is_copied():
    part = packed_split([(4, 6)])
    assert np.shares_memory(concat([part]).image(0), part.entries[0].images)
    assert np.shares_memory(concat([part]).labels(0), part.entries[0].labels)


def test_concatenation_nests():
    parts = [packed_split([(2, 3)], name=name, seed=len(name)) for name in ("train", "val", "extra1")]
    twice, once = concat([concat(parts[:2]), parts[2]]), concat(parts)
    assert twice.names == once.names
    assert all(np.array_equal(twice.labels(index), once.labels(index)) for index in range(3))


def test_beyond_the_last_image():
    with pytest.raises(IndexError):
        concat([packed_split([(2, 3)])]).image(1)


def test_a_part_without_labels():
    both = concat([packed_split([(2, 3)], name="train"), packed_split([(2, 3)], name="test", labelled=False)])
    assert both.labels(0).shape == (2, 3)
    with pytest.raises(InputError, match="test_0: has no labels"):
        both.labels(1)
