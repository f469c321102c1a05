"""Joined splits are their parts, one after the other."""

import numpy as np
import pytest

from fbnet.data.concat import join
from fbnet.data.packed import PackedSplit
from fbnet.errors import InputError


def split(name, sizes, *, labelled=True):
    pixels = [height * width for height, width in sizes]
    rng = np.random.default_rng(len(name))
    return PackedSplit(
        names=tuple(f"{name}_{index}" for index in range(len(sizes))),
        sizes=tuple(sizes),
        offsets=tuple(int(offset) for offset in np.cumsum([0, *pixels[:-1]])),
        _images=rng.integers(0, 256, 3 * sum(pixels), dtype=np.uint8),
        _labels=rng.integers(0, 19, sum(pixels), dtype=np.uint8) if labelled else None,
    )


def test_all_images_in_order():
    train, val = split("train", [(4, 6), (3, 5)]), split("val", [(2, 2), (4, 6), (1, 3)])
    joined = join([train, val])
    assert len(joined) == 5
    assert joined.names == ("train_0", "train_1", "val_0", "val_1", "val_2")
    assert joined.sizes == ((4, 6), (3, 5), (2, 2), (4, 6), (1, 3))
    for index, (part, place) in enumerate([(train, 0), (train, 1), (val, 0), (val, 1), (val, 2)]):
        assert np.array_equal(joined.image(index), part.image(place))
        assert np.array_equal(joined.labels(index), part.labels(place))
        assert joined.image(index).shape == (*joined.sizes[index], 3)


def test_nothing_is_copied():
    part = split("train", [(4, 6)])
    assert np.shares_memory(join([part]).image(0), part._images)
    assert np.shares_memory(join([part]).labels(0), part._labels)


def test_joined_splits_join_again():
    parts = [split(name, [(2, 3)]) for name in ("train", "val", "extra")]
    twice, once = join([join(parts[:2]), parts[2]]), join(parts)
    assert twice.names == once.names
    assert all(np.array_equal(twice.labels(index), once.labels(index)) for index in range(3))


def test_beyond_the_last_image():
    with pytest.raises(IndexError):
        join([split("train", [(2, 3)])]).image(1)


def test_a_part_without_labels():
    joined = join([split("train", [(2, 3)]), split("test", [(2, 3)], labelled=False)])
    assert joined.labels(0).shape == (2, 3)
    with pytest.raises(InputError, match="test_0: has no labels"):
        joined.labels(1)
