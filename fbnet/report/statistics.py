"""Statistics of few seeds."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

CONFIDENCE = 0.95


def mean_and_half_width(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean of values, and half the width of its interval as `interval_half_width` gives it."""
    return float(np.mean(values)), interval_half_width(values)


def interval_half_width(values: Sequence[float]) -> float | None:
    """Return half the width of the 95 % confidence interval of a mean, by Student's t; None for fewer than two values.

    Of differences between two runs with the same seed, this is the interval of the paired t-test.
    """
    if len(values) < 2:
        return None
    return student_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def student_quantile(degrees: int) -> float:
    """Return the t that Student's distribution exceeds 5 % of the time in absolute value, by its degrees of freedom."""
    return float(stdtrit(degrees, (1 + CONFIDENCE) / 2))
