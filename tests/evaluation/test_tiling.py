"""Tests of chunks and tiles against numbers worked out by hand and what the predictor does."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.load import load_study
from fbnet.evaluation import tiling
from fbnet.evaluation.predictor import predict
from fbnet.evaluation.tiling import chunks, seen_pixels, tile_starts
from tests.evaluation.toy import ToyNetwork


@pytest.mark.parametrize(
    ("length", "tile", "stride", "expected"),
    [
        (10, 4, 3, [0, 3, 6]),
        (11, 4, 3, [0, 3, 6, 7]),
        (4, 4, 3, [0]),
        (3, 4, 3, [0]),
        (1024, 832, 555, [0, 192]),
        (2048, 832, 555, [0, 555, 1110, 1216]),
    ],
)
def test_tile_starts(length, tile, stride, expected):
    assert tile_starts(length, tile, stride) == expected


class TestChunks:
    def test_by_hand(self, monkeypatch):
        # At most 128 x 128 pixels, margins of 8: parts of at most 112, equal but for multiples of 8.
        monkeypatch.setattr(tiling, "MAX_PIXELS", 128 * 128)
        rows = [(slice(0, 104), slice(0, 112)), (slice(104, 200), slice(96, 200))]
        columns = [(slice(0, 80), slice(0, 88)), (slice(80, 150), slice(72, 150))]
        found = [(chunk.kept, chunk.seen) for chunk in chunks((200, 150))]
        assert found == [((row[0], column[0]), (row[1], column[1])) for row in rows for column in columns]

    @pytest.mark.parametrize("size", [(1024, 2048), (720, 1280), (4000, 6000), (4096, 6144), (1, 1)])
    def test_images_of_datasets_are_one(self, size):
        whole = (slice(0, size[0]), slice(0, size[1]))
        assert [(chunk.kept, chunk.seen, chunk.inner) for chunk in chunks(size)] == [(whole, whole, whole)]

    @pytest.mark.parametrize("size", [(300, 300), (129, 128), (17, 5000), (1000, 90), (255, 256)])
    @pytest.mark.parametrize("pixels", [128 * 128, 16000, 64 * 64, 63])
    def test_fill_the_image_once(self, size, pixels, monkeypatch):
        monkeypatch.setattr(tiling, "MAX_PIXELS", pixels)
        covered = np.zeros(size, dtype=int)
        side = max(8, math.isqrt(pixels))
        margin = side // 16 // 8 * 8
        for chunk in chunks(size):
            covered[chunk.kept] += 1
            assert np.zeros(size)[chunk.seen].size <= side**2
            for kept, seen, inner, length in zip(chunk.kept, chunk.seen, chunk.inner, size, strict=True):
                assert kept.start % 8 == 0
                assert seen.start == max(0, kept.start - margin)
                assert seen.stop == min(length, kept.stop + margin)
                assert range(length)[seen][inner] == range(length)[kept]
        assert (covered == 1).all()


class Counting(ToyNetwork):
    """Network that counts the pixels of its inputs."""

    def __init__(self):
        super().__init__()
        self.pixels = 0

    def forward(self, images):
        self.pixels += images.shape[0] * images.shape[2] * images.shape[3]
        return {"out": torch.zeros(images.shape[0], 1, *images.shape[2:])}


class TestSeenPixels:
    @pytest.mark.parametrize("size", [(64, 128), (50, 70), (24, 200)])
    @pytest.mark.parametrize(
        "settings",
        [
            EvaluationConfig(),
            EvaluationConfig(scales=(0.5, 0.75, 1.0, 1.7), mirror=True),
            EvaluationConfig(mode="sliding", tile=(32, 48), stride=(20, 30)),
            EvaluationConfig(mode="sliding", tile=(32, 48), stride=(20, 30), scales=(0.5, 1.0, 1.3, 2.0), mirror=True),
        ],
    )
    def test_are_those_that_pass_through_the_network(self, size, settings):
        network = Counting()
        predict(
            network,
            np.zeros((*size, 3), np.uint8),
            settings.model_copy(update={"precision": "float32"}),
            torch.device("cpu"),
        )
        assert seen_pixels(size, settings) == network.pixels

    def test_of_the_paper_s_evaluation(self):
        """Rows start at 0 and 192; columns at 0, 555, 1110 and 1216; the mirror image is scored as well."""
        assert seen_pixels((1024, 2048), load_study("paper").evaluation("single_scale")) == 2 * 2 * 4 * 832 * 832


def test_needs_no_torch():
    code = "import sys, fbnet.evaluation.tiling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
