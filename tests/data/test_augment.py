"""A crop equals the same crop of the whole resized image."""

import numpy as np
import pytest
from PIL import Image

from fbnet.data.augment import PHASE, Crop, draw_crop, take_crop
from fbnet.data.normalisation import FILL

CROP = (64, 96)


def filter_weights(whole, scaled):
    """Weights (scaled, whole) of the triangle filter: of each pixel for each pixel of the resized axis."""
    step = whole / scaled
    support = max(1.0, step)
    centres = (np.arange(scaled) + 0.5) * step
    weights = np.maximum(0, 1 - np.abs(np.arange(whole) + 0.5 - centres[:, None]) / support)
    return weights / weights.sum(axis=1, keepdims=True)


def by_the_whole_image(image, labels, window, crop):
    """Resize everything, the image in floating point and the labels by Pillow, then cut."""
    rows, columns = (filter_weights(*sides) for sides in zip(labels.shape, window.scaled, strict=True))
    resized = np.einsum("ij,jkc,lk->ilc", rows, image.astype(float), columns, optimize=True)
    nearest = np.asarray(Image.fromarray(labels).resize(window.scaled[::-1], Image.Resampling.NEAREST))
    shown = (slice(window.top, window.top + crop[0]), slice(window.left, window.left + crop[1]))
    out = np.empty((*crop, 3))
    out[:] = FILL
    out_labels = np.full(crop, 255, np.uint8)
    height, width = nearest[shown].shape
    out[:height, :width] = resized[shown]
    out_labels[:height, :width] = nearest[shown]
    return (out[:, ::-1], out_labels[:, ::-1]) if window.flip else (out, out_labels)


def tied_pixels(size, window, crop):
    """Pixels whose centre falls on the border of two source pixels, either of which is the nearest."""
    ties = [
        (2 * np.arange(start, start + side) + 1) * whole % (2 * scaled) == 0
        for whole, scaled, start, side in zip(size, window.scaled, (window.top, window.left), crop, strict=True)
    ]
    tied = ties[0][:, None] | ties[1]
    return tied[:, ::-1] if window.flip else tied


def noise(size, rng):
    """Independent random pixels."""
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8)


def waves(size, rng):
    """Smooth content, as in photographs: neighbouring pixels differ by a few grey levels."""
    rows, columns = np.mgrid[: size[0], : size[1]][..., None]
    phases = rng.uniform(0, 2 * np.pi, 3)
    return np.round(127.5 + 60 * np.sin(rows / 12 + phases) + 60 * np.sin(columns / 9 - phases)).astype(np.uint8)


@pytest.mark.parametrize("content", [noise, waves])
@pytest.mark.parametrize("size", [(97, 203), (64, 96), (40, 50), (300, 70), (211, 422)])
def test_equals_resizing_the_whole_image(size, content):
    rng = np.random.default_rng(0)
    image = content(size, rng)
    labels = rng.integers(0, 19, size, dtype=np.uint8)
    # Half a grey level for each of the two passes that are rounded to 8 bits, and the change of the image within the
    # fraction of a pixel that the window may be shifted by.
    steepest = [int(np.abs(np.diff(image.astype(int), axis=axis)).max()) for axis in (0, 1)]
    bound = 1.02 + PHASE * sum(steepest)
    for _ in range(40):
        window = draw_crop(size, CROP, (0.5, 2.0), rng)
        result, result_labels = take_crop(image, labels, window, CROP)
        expected, expected_labels = by_the_whole_image(image, labels, window, CROP)
        assert np.abs(result - expected).max() <= bound
        clear = ~tied_pixels(size, window, CROP)
        assert np.array_equal(result_labels[clear], expected_labels[clear])


def test_unscaled_crop_is_a_copy():
    image = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    labels = np.arange(30, dtype=np.uint8).reshape(5, 6)
    result, result_labels = take_crop(image, labels, Crop(scaled=(5, 6), top=1, left=2, flip=False), (3, 4))
    assert np.array_equal(result, image[1:4, 2:6])
    assert np.array_equal(result_labels, labels[1:4, 2:6])


def test_flip_mirrors_both():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    labels = np.array([[1, 2], [3, 4]], dtype=np.uint8)
    result, result_labels = take_crop(image, labels, Crop(scaled=(2, 2), top=0, left=0, flip=True), (2, 2))
    assert np.array_equal(result, image[:, ::-1])
    assert result_labels.tolist() == [[2, 1], [4, 3]]


def test_beyond_the_edge_is_ignored():
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    labels = np.zeros((4, 4), dtype=np.uint8)
    result, result_labels = take_crop(image, labels, Crop(scaled=(4, 4), top=0, left=0, flip=False), (6, 8))
    assert (result_labels[:4, :4] == 0).all()
    assert (result_labels[4:] == 255).all()
    assert (result_labels[:, 4:] == 255).all()
    assert (result[5, 7] == FILL).all()


def test_draws_stay_inside_and_reach_the_edges():
    rng = np.random.default_rng(1)
    crops = [draw_crop((100, 200), CROP, (1.0, 1.0), rng) for _ in range(3000)]
    assert {crop.scaled for crop in crops} == {(100, 200)}
    assert {crop.top for crop in crops} == set(range(37))
    assert (min(crop.left for crop in crops), max(crop.left for crop in crops)) == (0, 104)
    assert 0.45 < np.mean([crop.flip for crop in crops]) < 0.55


def test_scales_span_their_range():
    rng = np.random.default_rng(2)
    factors = [draw_crop((1000, 1000), CROP, (0.5, 2.0), rng).scaled[0] / 1000 for _ in range(2000)]
    assert 0.5 <= min(factors) < 0.51
    assert 1.99 < max(factors) <= 2.0
