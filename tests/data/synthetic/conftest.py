"""Scenes that are drawn once for a module."""

import pytest

from fbnet.data.synthetic import write as synthetic
from tests.data.synthetic.scenes import MEDIUM


@pytest.fixture(scope="module")
def scenes():
    return [synthetic.scene(MEDIUM, "train", index) for index in range(16)]
