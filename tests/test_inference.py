"""Whole-image and sliding-window prediction at any size, against slow and direct versions."""

import numpy as np
import pytest
import torch
from torch import nn

from fbnet.config import load_runs
from fbnet.data.specs import CITYSCAPES
from fbnet.device import normalise
from fbnet.inference import balance_map, predict, tile_starts
from fbnet.models.build import build
from fbnet.recipe import EvaluationConfig

CPU = torch.device("cpu")


def network(run="fcn_r50_fbnet"):
    torch.manual_seed(0)
    return build(load_runs().runs[run], CITYSCAPES, width=0.0625).eval()


def image(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Pointwise(nn.Module):
    """Logits that depend on nothing but their own pixel, so that tiling must not change them."""

    def forward(self, images):
        return {"out": torch.cat([images, images.sum(dim=1, keepdim=True)], dim=1), "balance": []}


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


@pytest.mark.parametrize("size", [(8, 8), (37, 53), (64, 9), (1, 1)])
def test_any_size_in_one_piece(size):
    logits = predict(network(), image(*size), EvaluationConfig(), CPU)
    assert logits.shape == (19, *size)
    assert torch.isfinite(logits).all()


def test_whole_equals_padding_by_hand():
    ours = network()
    values = normalise(torch.tensor(image(37, 53)).permute(2, 0, 1)[None], CPU)
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
    values = normalise(torch.tensor(image(height, width)).permute(2, 0, 1)[None], CPU)
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

    @pytest.mark.parametrize("run", ["fcn_r50", "fcn_r101_bwbce"])
    def test_none_without_modulator(self, run):
        assert balance_map(network(run), image(32, 32), CPU) is None


class TestScales:
    def direct(self, ours, values, scales, mirror):
        """Slow and plain, for whole images whose scaled sides are multiples of 8."""
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
        ("scales", "mirror"), [((1.0,), True), ((0.5, 1.0), False), ((0.5, 1.0, 1.5, 2.0), True), ((2.0,), False)]
    )
    def test_equals_a_direct_version(self, scales, mirror):
        ours = network()
        values = normalise(torch.tensor(image(32, 48)).permute(2, 0, 1)[None], CPU)
        result = predict(ours, image(32, 48), EvaluationConfig(scales=scales, mirror=mirror), CPU)
        assert torch.allclose(result, self.direct(ours, values, scales, mirror), atol=1e-5)
        assert torch.allclose(result.sum(dim=0), torch.ones(32, 48), atol=1e-5)

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

    def test_the_window_grows_with_scales_above_1(self):
        seen = []

        class Watched(Pointwise):
            def forward(self, images):
                seen.append(tuple(images.shape[-2:]))
                return super().forward(images)

        settings = EvaluationConfig(mode="sliding", tile=(16, 24), stride=(16, 24), scales=(0.5, 1.0, 2.0))
        predict(Watched(), image(32, 48), settings, CPU)
        assert [seen.count(size) for size in ((16, 24), (32, 48))] == [1 + 4, 4]
