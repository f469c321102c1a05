"""Tests of prediction at any size, by windows and scales, against slow and direct versions."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.data.normalisation import normalise
from fbnet.evaluation import predictor, tiling
from fbnet.evaluation.predictor import balance_map, predict, predict_labels, predict_plain_and_mirrored
from fbnet.models.build import build
from tests.evaluation.toy import ToyNetwork

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
SEVEN = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)


def network(run="fcn_r50_fbnet"):
    torch.manual_seed(0)
    return build(load_runs().runs[run], CITYSCAPES, width=0.0625).eval()


def image(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Pointwise(ToyNetwork):
    """Network whose logits depend on their own pixel alone, so that tiling must not change them."""

    def forward(self, images):
        return {"out": torch.cat([images, images.sum(dim=1, keepdim=True)], dim=1), "balance": []}


class Neighbours(ToyNetwork):
    """Network whose logits depend on a few pixels around their own, and so on the borders of tiles."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 4, 7, padding=3)

    def forward(self, images):
        return {"out": self.layer(images), "balance": []}


class Recording(Pointwise):
    """Network that records the shapes of its inputs."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images):
        self.seen.append(tuple(images.shape))
        return super().forward(images)


def direct_sliding(ours, values, tile, stride):
    """Logits (1, classes, H, W) of (1, 3, H, W), in a slow and direct way: pad, predict tile by tile, average."""
    height, width = values.shape[-2:]
    padded = torch.zeros(1, 3, -(-height // 8) * 8, -(-width // 8) * 8)
    padded[..., :height, :width] = values
    total = count = 0
    top = 0
    while True:
        left = 0
        while True:
            logits = ours(padded[..., top : top + tile[0], left : left + tile[1]])["out"]
            right, below = padded.shape[3] - left - logits.shape[3], padded.shape[2] - top - logits.shape[2]
            total = total + nn.functional.pad(logits, (left, right, top, below))
            count = count + nn.functional.pad(torch.ones_like(logits), (left, right, top, below))
            if right == 0:
                break
            left = min(left + stride[1], padded.shape[3] - tile[1])
        if below == 0:
            break
        top = min(top + stride[0], padded.shape[2] - tile[0])
    return (total / count)[..., :height, :width]


@pytest.mark.parametrize("size", [(8, 8), (37, 53), (64, 9), (1, 1)])
def test_any_size_in_one_chunk(size):
    logits = predict(network(), image(*size), EvaluationConfig(), CPU)
    assert logits.shape == (19, *size)
    assert torch.isfinite(logits).all()


def test_whole_equals_padding_by_hand():
    ours = network()
    values = normalise(torch.tensor(image(37, 53))[None], CPU)
    padded = torch.zeros(1, 3, 40, 56)  # the mean colour is 0 after normalisation
    padded[..., :37, :53] = values
    with torch.no_grad():
        expected = ours(padded)["out"][0, :, :37, :53]
    assert torch.allclose(predict(ours, image(37, 53), EvaluationConfig(), CPU), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(40, 72), (37, 53), (16, 100)])
def test_tiles_cover_every_pixel_once_in_the_mean(size):
    settings = EvaluationConfig(mode="sliding", tile=(16, 24), stride=(11, 16))
    expected = predict(Pointwise(), image(*size), EvaluationConfig(), CPU)
    assert torch.allclose(predict(Pointwise(), image(*size), settings, CPU), expected, atol=1e-5)


def test_sliding_equals_a_direct_version():
    ours, height, width = network(), 32, 48
    settings = EvaluationConfig(mode="sliding", tile=(24, 32), stride=(16, 16))
    values = normalise(torch.tensor(image(height, width))[None], CPU)
    total, count = torch.zeros(19, height, width), torch.zeros(height, width)
    with torch.no_grad():
        for top in (0, 8):
            for left in (0, 16):
                tile = (slice(top, top + 24), slice(left, left + 32))
                total[:, *tile] += ours(values[..., *tile])["out"][0]
                count[tile] += 1
    assert torch.allclose(predict(ours, image(height, width), settings, CPU), total / count, atol=1e-5)


def test_a_tile_larger_than_the_image():
    settings = EvaluationConfig(mode="sliding", tile=(64, 64), stride=(32, 32))
    ours = network()
    expected = predict(ours, image(24, 40), EvaluationConfig(), CPU)
    assert torch.allclose(predict(ours, image(24, 40), settings, CPU), expected, atol=1e-5)


class TestBatches:
    settings = EvaluationConfig(mode="sliding", tile=(16, 24), stride=(11, 16))

    def test_hold_as_many_tiles_as_pixels_allow(self, monkeypatch):
        monkeypatch.setattr(tiling, "BATCH_PIXELS", 5 * 16 * 24)
        recording = Recording()
        predict(recording, image(40, 72), self.settings, CPU)  # tops 0, 11, 22, 24, lefts 0, 16, 32, 48
        assert recording.seen == [(5, 3, 16, 24)] * 3 + [(1, 3, 16, 24)]

    def test_hold_one_tile_at_least(self, monkeypatch):
        monkeypatch.setattr(tiling, "BATCH_PIXELS", 1)
        recording = Recording()
        predict(recording, image(16, 30), self.settings, CPU)
        assert recording.seen == [(1, 3, 16, 24)] * 2

    @pytest.mark.parametrize("run", ["fcn_r50_fbnet", "pspnet_r50_fbnet", "deeplabv3plus_r50_fbnet"])
    @pytest.mark.parametrize("size", [(37, 53), (12, 60)])  # the second is lower than a tile
    def test_equal_tiles_one_by_one(self, run, size, monkeypatch):
        ours = network(run)
        together = predict(ours, image(*size), self.settings, CPU)
        monkeypatch.setattr(tiling, "BATCH_PIXELS", 1)
        assert torch.allclose(predict(ours, image(*size), self.settings, CPU), together, atol=1e-5)

    def test_are_halved_when_out_of_memory(self, monkeypatch, caplog):
        class Small(Pointwise):
            def forward(self, images):
                if len(images) > 3:
                    raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
                return super().forward(images)

        monkeypatch.setattr(tiling, "BATCH_PIXELS", 12 * 16 * 24)
        expected = predict(Pointwise(), image(40, 72), self.settings, CPU)
        assert torch.equal(predict(Small(), image(40, 72), self.settings, CPU), expected)
        assert caplog.messages == [
            "out of memory with 12 tiles in a batch; continuing with 6",
            "out of memory with 6 tiles in a batch; continuing with 3",
        ]
        assert torch.equal(predict(Small(), image(40, 72), self.settings, CPU), expected)
        assert len(caplog.messages) == 2  # warned once


class TestLabels:
    @pytest.mark.parametrize(
        "settings",
        [
            EvaluationConfig(),
            EvaluationConfig(mode="sliding", tile=(16, 24), stride=(11, 16), scales=(0.5, 1.75), mirror=True),
        ],
    )
    def test_are_the_classes_of_the_highest_values(self, settings):
        ours = network()
        labels = predict_labels(ours, image(37, 53), settings, CPU)
        assert labels.dtype == np.uint8
        assert np.array_equal(labels, predict(ours, image(37, 53), settings, CPU).argmax(dim=0).numpy())

    @pytest.mark.parametrize(
        ("pixels", "settings"),
        [
            (128 * 128, EvaluationConfig()),
            (128 * 128, EvaluationConfig(mode="sliding", tile=(64, 64), stride=(48, 48), scales=(0.5,), mirror=True)),
            (256 * 256, EvaluationConfig(scales=(0.5, 2.0))),  # the same chunks: 128 x 128 at twice the size
        ],
    )
    def test_of_a_large_image_are_those_of_its_chunks(self, pixels, settings, monkeypatch):
        ours, large = network(), image(200, 150)
        expected = np.empty((200, 150), dtype=np.uint8)
        for top, bottom, above, below in ((0, 104, 0, 112), (104, 200, 96, 200)):
            for left, right, before, behind in ((0, 80, 0, 88), (80, 150, 72, 150)):
                values = predict(ours, large[above:below, before:behind], settings, CPU).argmax(dim=0).numpy()
                expected[top:bottom, left:right] = values[top - above : bottom - above, left - before : right - before]
        monkeypatch.setattr(tiling, "MAX_PIXELS", pixels)
        assert np.array_equal(predict_labels(ours, large, settings, CPU), expected)

    def test_chunks_change_nothing_without_context(self, monkeypatch):
        expected = predict(Pointwise(), image(200, 150), EvaluationConfig(), CPU).argmax(dim=0).numpy()
        monkeypatch.setattr(tiling, "MAX_PIXELS", 64 * 64)
        recording = Recording()
        assert np.array_equal(predict_labels(recording, image(200, 150), EvaluationConfig(), CPU), expected)
        assert max(math.prod(shape[-2:]) for shape in recording.seen) <= 64 * 64

    def test_a_scale_too_large_for_any_chunk_still_works(self, monkeypatch):
        monkeypatch.setattr(tiling, "MAX_PIXELS", 10)
        labels = predict_labels(Pointwise(), image(9, 20), EvaluationConfig(scales=(4.0,)), CPU)
        assert labels.shape == (9, 20)

    @pytest.mark.parametrize("pixels", [1 << 20, 64 * 64])
    @pytest.mark.parametrize(
        "settings", [EvaluationConfig(), EvaluationConfig(mode="sliding", tile=(32, 32), stride=(24, 24))]
    )
    def test_plain_and_mirrored_in_one_pass_are_those_of_two(self, settings, pixels, monkeypatch):
        monkeypatch.setattr(tiling, "MAX_PIXELS", pixels)
        ours, values = network(), image(75, 90)
        mirroring = settings.model_copy(update={"mirror": True})
        plain, mirrored = predict_plain_and_mirrored(ours, values, settings, CPU)
        assert np.array_equal(plain, predict_labels(ours, values, settings, CPU))
        assert np.array_equal(mirrored, predict_labels(ours, values, mirroring, CPU))
        assert not np.array_equal(plain, mirrored)

    def test_plain_and_mirrored_pass_each_view_once(self):
        recording = Recording()
        predict_plain_and_mirrored(recording, image(16, 24), EvaluationConfig(), CPU)
        assert recording.seen == [(1, 3, 16, 24)] * 2


MEASURE = r"""
import re, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np, torch
from fbnet.config.evaluation import EvaluationConfig
from fbnet.data.normalisation import IMAGENET
from fbnet.evaluation import tiling
from fbnet.evaluation.predictor import predict_labels

class Brightness(torch.nn.Module):
    backbone = SimpleNamespace(normalisation=IMAGENET, strides={"res5": 8})

    def forward(self, images):
        return {"out": images[:, :1] * torch.linspace(-1, 1, 19)[:, None, None]}

def peak():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

tiling.MAX_PIXELS = tiling.BATCH_PIXELS = 512 * 512
network, device = Brightness(), torch.device("cpu")
tiles = {"mode": "sliding", "tile": (256, 256), "stride": (192, 192)}
settings = {"whole": EvaluationConfig(), "sliding": EvaluationConfig(**tiles),
            "scales": EvaluationConfig(**tiles, scales=(0.5, 1.0), mirror=True)}[sys.argv[1]]
predict_labels(network, np.zeros((64, 64, 3), dtype=np.uint8), settings, device)
images = [np.ones((side, side, 3), dtype=np.uint8) for side in (512, 1024)]
before = peak()
for image in images:
    predict_labels(network, image, settings, device)
    print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux's /proc")
@pytest.mark.parametrize(("settings", "maps"), [("whole", 1), ("sliding", 1), ("scales", 3)])
def test_memory_stays_within_the_stated_bound(settings, maps):
    # The allocator returns freed memory to the system at once, so that only memory in use is counted.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", MEASURE, settings]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    one_chunk, several = map(int, result.stdout.split())
    pixels = 512 * 512
    bound = (4 * maps * 19 + 48) * pixels + 4 * (3 + 19) * pixels  # the network needs its input and logits
    assert 4 * 19 * pixels < one_chunk < bound
    assert several < bound + 1024 * 1024  # the labels themselves; (19, 1024, 1024) float32 would be 76 MiB


class TestBalanceMap:
    @pytest.mark.parametrize(
        ("run", "stride"), [("fcn_r50_fbnet", 8), ("fcn_r101_fbnet_all", 8), ("fcn_r101_fbnet_res2", 4)]
    )
    def test_is_at_the_deepest_stages_resolution(self, run, stride):
        values = balance_map(network(run), image(36, 52), CPU)
        assert values.shape == (-(-36 // stride), -(-52 // stride))
        assert values.dtype == np.float32

    def test_is_the_mean_of_x_o(self):
        ours = network()
        kept = {}
        ours.backbone.res5.register_forward_hook(lambda _m, _i, x_l: kept.update(x_l=x_l))
        values = balance_map(ours, image(32, 32), CPU)
        with torch.no_grad():
            expected = ours.balance["res5"].modulator(kept["x_l"])[0].mean(dim=0)
        assert np.allclose(values, expected.numpy(), atol=1e-6)

    @pytest.mark.parametrize(("run", "stride"), [("fcn_r50_fbnet", 8), ("fcn_r101_fbnet_res2", 4)])
    def test_of_a_large_image_is_that_of_its_chunks(self, run, stride, monkeypatch):
        ours, large = network(run), image(200, 150)
        expected = np.empty((-(-200 // stride), -(-150 // stride)), dtype=np.float32)
        for top, above, below in ((0, 0, 112), (104, 96, 200)):
            for left, before, behind in ((0, 0, 88), (80, 72, 150)):
                values = balance_map(ours, large[above:below, before:behind], CPU)
                values = values[(top - above) // stride :, (left - before) // stride :]
                window = expected[top // stride :, left // stride :]  # the next chunk overwrites what reaches too far
                window[: len(values), : values.shape[1]] = values
        monkeypatch.setattr(tiling, "MAX_PIXELS", 128 * 128)
        assert np.array_equal(balance_map(ours, large, CPU), expected)

    @pytest.mark.parametrize("run", ["fcn_r50", "fcn_r101_bwbce"])
    def test_none_without_modulator(self, run):
        assert balance_map(network(run), image(32, 32), CPU) is None


class TestScales:
    def direct(self, ours, values, scales, mirror):
        """Mean softmax in a slow and direct way, for whole images whose scaled sides are multiples of 8."""
        height, width = values.shape[-2:]
        views = []
        with torch.no_grad():
            for scale in scales:
                size = (round(height * scale), round(width * scale))
                scaled = nn.functional.interpolate(values, size, mode="bilinear", antialias=True)
                for flip in (False, True) if mirror else (False,):
                    logits = ours(scaled.flip(3) if flip else scaled)["out"]
                    logits = logits.flip(3) if flip else logits
                    logits = nn.functional.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
                    views.append(torch.softmax(logits, dim=1)[0])
        return torch.stack(views).mean(dim=0)

    @pytest.mark.parametrize(
        ("scales", "mirror"),
        [((1.0,), True), ((0.5, 1.0), False), ((0.5, 1.0, 1.5, 2.0), True), ((2.0,), False), (SEVEN, True)],
    )
    def test_equals_a_direct_version(self, scales, mirror):
        ours = network()
        values = normalise(torch.tensor(image(64, 96))[None], CPU)
        result = predict(ours, image(64, 96), EvaluationConfig(scales=scales, mirror=mirror), CPU)
        assert torch.allclose(result, self.direct(ours, values, scales, mirror), atol=1e-5)
        assert torch.allclose(result.sum(dim=0), torch.ones(64, 96), atol=1e-5)

    @pytest.mark.parametrize("size", [(37, 53), (5, 90), (48, 31)])
    def test_tiles_equal_a_direct_version(self, size):
        """All seven scales; at the small ones, the image is smaller than a tile."""
        ours, tile, stride = Neighbours(), (24, 32), (17, 22)
        values = normalise(torch.tensor(image(*size))[None], CPU)
        views = []
        with torch.no_grad():
            for scale in SEVEN:
                scaled = [max(1, round(side * scale)) for side in size]
                scaled = nn.functional.interpolate(values, scaled, mode="bilinear", antialias=True)
                grown = [-(-side * max(1, scale) // 8) * 8 for side in tile]
                steps = [round(step * max(1, scale)) for step in stride]
                for view in (scaled, scaled.flip(3)):
                    logits = direct_sliding(ours, view, [int(side) for side in grown], steps)
                    logits = logits if view is scaled else logits.flip(3)
                    logits = nn.functional.interpolate(logits, size, mode="bilinear", align_corners=False)
                    views.append(torch.softmax(logits, dim=1)[0])
        settings = EvaluationConfig(mode="sliding", tile=tile, stride=stride, scales=SEVEN, mirror=True)
        result = predict(ours, image(*size), settings, CPU)
        assert torch.allclose(result, torch.stack(views).mean(dim=0), atol=1e-5)

    def test_probabilities_in_several_bands(self):
        """The image is taller than a band of rows and no multiple of it."""
        tall, settings = image(2 * predictor.BAND_ROWS + 3, 9), EvaluationConfig(mirror=True)
        expected = predict(Pointwise(), tall, EvaluationConfig(), CPU).softmax(dim=0)
        assert torch.allclose(predict(Pointwise(), tall, settings, CPU), expected, atol=1e-6)

    @pytest.mark.parametrize("size", [(37, 53), (5, 90)])
    def test_any_size(self, size):
        settings = EvaluationConfig(mode="sliding", tile=(16, 24), stride=(11, 16), scales=(0.5, 1.75), mirror=True)
        result = predict(network(), image(*size), settings, CPU)
        assert result.shape == (19, *size)
        assert torch.allclose(result.sum(dim=0), torch.ones(size), atol=1e-5)

    def test_mirroring_makes_the_prediction_symmetric(self):
        symmetric = np.concatenate([image(16, 24), image(16, 24)[:, ::-1]], axis=1)
        result = predict(network(), symmetric, EvaluationConfig(mirror=True), CPU)
        assert torch.allclose(result, result.flip(2), atol=1e-5)

    def test_the_window_grows_with_scales_above_1(self, monkeypatch):
        monkeypatch.setattr(tiling, "BATCH_PIXELS", 1)
        recording = Recording()
        settings = EvaluationConfig(mode="sliding", tile=(16, 24), stride=(16, 24), scales=(0.5, 1.0, 2.0))
        predict(recording, image(32, 48), settings, CPU)
        assert [recording.seen.count((1, 3, *size)) for size in ((16, 24), (32, 48))] == [1 + 4, 4]
