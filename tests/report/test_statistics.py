"""Intervals of few seeds, against published tables and a case worked out by hand."""

import pandas as pd
import pytest

from fbnet.report.statistics import interval_half_width, student_quantile


@pytest.mark.parametrize(
    ("degrees", "t"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (7, 2.365), (10, 2.228), (30, 2.042)]
)
def test_quantiles_are_those_of_printed_tables(degrees, t):
    assert student_quantile(degrees) == pytest.approx(t, abs=5e-4)


def test_an_interval_by_hand():
    """Gains 1, 2 and 3 have a deviation of 1: 4.303 / sqrt(3)."""
    assert interval_half_width(pd.Series([1.0, 2.0, 3.0])) == pytest.approx(2.4841, abs=1e-4)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_one_seed_has_none(values):
    assert interval_half_width(pd.Series(values, dtype=float)) is None
