"""Linear probes: how well a linear classifier tells foreground from background by the features of a stage.

NOTE not in the paper, which claims that the features of small objects drown in those of the background (Sec. 1).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from fbnet.config.labels import IGNORE_INDEX

PENALTY = 1e-4  # of the squared weights, which keeps them finite where features separate the classes
LIMIT, BINS = 30.0, 6000  # scores are ranked in bins of 0.01


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier of features into foreground (scores above 0) and background."""

    weight: np.ndarray
    """(C,) float64."""
    bias: float


def fit(features: np.ndarray, foreground: np.ndarray) -> LinearProbe:
    """Fit a logistic regression in which foreground and background weigh the same.

    Args:
        features: (N, C) features of blocks.
        foreground: (N,) share of foreground in each block, from 0 to 1; neither side may be empty.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    values = ((features - mean) / deviation).astype(np.float64)
    weights = np.stack([foreground / foreground.sum(), (1 - foreground) / (1 - foreground).sum()]) / 2

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = parameters[:-1], parameters[-1]
        scores = values @ weight + bias
        value = weights[0] @ np.logaddexp(0, -scores) + weights[1] @ np.logaddexp(0, scores)
        slope = weights[1] * expit(scores) - weights[0] * expit(-scores)
        return value + PENALTY * weight @ weight, np.append(slope @ values + 2 * PENALTY * weight, slope.sum())

    found = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    weight = found[:-1] / deviation
    return LinearProbe(weight, float(found[-1] - weight @ mean))


def histograms(scores: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Count the scores of each class in bins from -LIMIT to LIMIT; those beyond are in the outermost.

    Args:
        scores: of pixels, any shape.
        labels: train ids below `classes`, or 255 for ignored, the same shape, uint8.
        classes: number of classes.

    Returns:
        (classes, BINS) int64.
    """
    counted = labels != IGNORE_INDEX
    bins = ((scores[counted] + LIMIT) * (BINS / (2 * LIMIT))).astype(np.int64).clip(0, BINS - 1)
    pairs = labels[counted].astype(np.int64) * BINS + bins
    return np.bincount(pairs, minlength=classes * BINS).reshape(classes, BINS)


def area_under_roc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that a positive has a higher score than a negative, by histograms of scores; NaN without any.

    Those in one bin count half.
    """
    pairs = float(positive.sum()) * float(negative.sum())
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / pairs) if pairs else float("nan")
