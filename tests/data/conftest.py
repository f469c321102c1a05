"""CamVid's raw data, made by hand."""

from pathlib import Path

import pytest

from fbnet.config.labels import CAMVID
from tests.data.raw import scene, write


@pytest.fixture
def camvid(project):
    """Arrays of two training frames and one test frame, by name."""
    arrays = {}
    for split, names in (("train", ("b", "a")), ("test", ("c",))):
        for name in names:
            arrays[name] = image, label = scene(ord(name), list(CAMVID.raw_ids))
            write(Path("raw", split, f"{name}.png"), image)
            write(Path("raw", f"{split}annot", f"{name}.png"), label)
    return arrays
