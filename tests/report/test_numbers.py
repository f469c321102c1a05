"""How numbers are typeset."""

import pytest

from fbnet.report.numbers import typeset


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "text"),
    [
        (1.25, 1, False, "1.2"),  # the even one of two that are as near
        (-0.349, 2, False, "−0.35"),
        (-0.04, 1, False, "0.0"),
        (-0.04, 1, True, "+0.0"),
        (2, 1, True, "+2.0"),
        (-2, 0, True, "−2"),
    ],
)
def test_typeset(value, decimals, signed, text):
    assert typeset(value, decimals, signed=signed) == text
