"""Statistics of few seeds."""

import math
from functools import cache

import pandas as pd

CONFIDENCE = 0.95


def interval_half_width(values: pd.Series) -> float | None:
    """Return half the width of the 95 % confidence interval of a mean, by Student's t; None for fewer than two values.

    Of differences between two runs with the same seed, this is the interval of the paired t-test.
    """
    if len(values) < 2:
        return None
    return student_quantile(len(values) - 1) * float(values.std()) / math.sqrt(len(values))


@cache
def student_quantile(degrees: int) -> float:
    """Return the t that Student's distribution exceeds 5 % of the time in absolute value, by its degrees of freedom."""
    low, high = 0.0, 13.0  # one degree of freedom has 12.71
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < CONFIDENCE else (low, middle)
    return high


def _within(t: float, degrees: int) -> float:
    """Probability of a value between -t and t (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan2(t, math.sqrt(degrees))
    odd = degrees % 2
    term = total = math.cos(angle) if odd else 1.0
    for index in range(2 + odd, degrees - 1, 2):
        term *= (index - 1) / index * math.cos(angle) ** 2
        total += term
    if not odd:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if degrees > 1 else 0))
