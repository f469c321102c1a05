"""Linear probes, against distributions whose best classifier is known, and ranks by brute force."""

import numpy as np
import pytest

from fbnet.config.labels import IGNORE_INDEX
from fbnet.evaluation.probe import BINS, LIMIT, area_under_roc, fit, histograms


def two_clouds(distance: float, count: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Normal clouds of deviations 1 and 2, apart along the first axis, where `share` of the points are foreground."""
    generator = np.random.default_rng(0)
    foreground = (np.arange(count) < share * count).astype(float)
    points = generator.normal(size=(count, 2)) * (1.0, 2.0) + (5.0, -3.0)
    points[:, 0] += distance * foreground
    return points, foreground


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_finds_the_best_plane_whatever_the_shares(share):
    """Between normal clouds of equal covariance the log odds are linear: the distance over the variance, 0 midway."""
    points, foreground = two_clouds(2.0, 40_000, share)
    linear = fit(points, foreground)
    assert linear.weight == pytest.approx([2.0, 0.0], abs=0.1)
    assert linear.weight @ (6.0, -3.0) + linear.bias == pytest.approx(0, abs=0.1)


def test_a_block_that_is_half_foreground_is_half_a_point_of_each():
    points, foreground = two_clouds(2.0, 2_000, 0.5)
    halves = fit(np.concatenate([points, points]), np.concatenate([foreground, np.full(2000, 0.5)]))
    apart = fit(
        np.concatenate([points, points, points, points]),
        np.concatenate([foreground, foreground, np.zeros(2000), np.ones(2000)]),
    )
    assert halves.weight == pytest.approx(apart.weight, rel=1e-3)
    assert halves.bias == pytest.approx(apart.bias, rel=1e-3)


def test_separable_features_have_finite_weights():
    linear = fit(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 0.0, 1.0, 1.0]))
    assert np.isfinite(linear.weight).all()
    assert linear.weight[0] * 1 + linear.bias < 0 < linear.weight[0] * 2 + linear.bias


def test_histograms_by_hand():
    scores, labels = np.array([[-99.0, 0.001, 0.001], [99.0, 0.011, 7.0]]), np.array([[0, 1, 1], [1, 0, IGNORE_INDEX]])
    counts = histograms(scores, labels.astype(np.uint8), 2)
    assert counts.shape == (2, BINS)
    assert np.flatnonzero(counts[0]).tolist() == [0, BINS // 2 + 1]
    assert {index: counts[1, index] for index in np.flatnonzero(counts[1])} == {BINS // 2: 2, BINS - 1: 1}
    assert counts.sum() == 5


def test_area_by_brute_force():
    generator = np.random.default_rng(1)
    scores = np.round(generator.normal(size=300), 1) + 0.005  # with ties, in the middle of bins
    labels = (generator.random(300) < 0.3).astype(np.uint8)
    counts = histograms(scores, labels, 2)
    pairs = [(a > b) + (a == b) / 2 for a in scores[labels == 1] for b in scores[labels == 0]]
    assert area_under_roc(counts[1], counts[0]) == pytest.approx(np.mean(pairs))


def test_area_of_normal_clouds():
    """Two deviations apart, one exceeds the other with the probability Phi(2 / sqrt(2)) = 0.9214."""
    generator = np.random.default_rng(2)
    scores = np.concatenate([generator.normal(size=200_000), 2 + generator.normal(size=200_000)])
    counts = histograms(scores, np.repeat([0, 1], 200_000).astype(np.uint8), 2)
    assert area_under_roc(counts[1], counts[0]) == pytest.approx(0.9214, abs=2e-3)
    assert scores.max() < LIMIT


def test_no_area_without_one_side():
    assert np.isnan(area_under_roc(np.zeros(BINS, dtype=int), np.ones(BINS, dtype=int)))
