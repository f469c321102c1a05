"""Colour jitter and blur on the device against torchvision's own transforms, on tensors and on images of bytes."""

from itertools import permutations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from fbnet.config.training import PhotometricConfig
from fbnet.data.photometric import Colours, blur, change_colours, draw_colours, jitter
from fbnet.data.synthetic.scene import draw_scene

LEVEL = 1 / 255
"""A grey level of images from 0 to 1."""


def noise(size=(24, 32)):
    return torch.rand(3, *size, generator=torch.Generator().manual_seed(0))


def torchvision_jitter(image, change):
    names = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
    parameters = {"fn_idx": change.order, **dict(zip(names, change.factors, strict=True))}
    return v2.ColorJitter(0.5, 0.5, 0.5, 0.5).transform(image, parameters)


def scene():
    """A picture as of a camera, (H, W, 3) uint8."""
    return draw_scene(96, 128, np.random.default_rng(0), 0).image


def gaussian(sigma):
    """Kernel at 81 positions."""
    values = np.exp(-((np.arange(-40, 41) / sigma) ** 2) / 2)
    return values / values.sum()


FACTORS = [(0.75, 0.75, 0.75, -0.25), (1.25, 1.25, 1.25, 0.25), (0.8, 1.2, 0.95, 0.1)]


class TestJitter:
    @pytest.mark.parametrize("order", permutations(range(4)))
    @pytest.mark.parametrize("factors", FACTORS)
    def test_equals_torchvisions_color_jitter(self, order, factors):
        change = Colours(factors, order, sigma=1.0)
        image = noise()
        ours = jitter(image, change)
        assert torch.equal(ours, torchvision_jitter(image, change))
        assert (ours - image).abs().max() > 20 * LEVEL

    @pytest.mark.parametrize("factors", FACTORS)
    def test_is_near_each_change_of_bytes(self, factors):
        """Torchvision cuts fractions off bytes, and contrast a quarter of one more off the mean; ours is exact."""
        image = scene()
        for position in range(4):
            change = Colours(factors, (position,), sigma=1.0)
            ours = jitter(torch.from_numpy(image).permute(2, 0, 1) / 255, change).permute(1, 2, 0)
            theirs = torchvision_jitter(v2.functional.pil_to_tensor(Image.fromarray(image)), change).permute(1, 2, 0)
            assert (ours - theirs / 255).abs().max() <= 1.25 * LEVEL

    def test_none_is_the_identity(self):
        change = draw_colours(PhotometricConfig(jitter=0.0), np.random.default_rng(0))
        assert torch.equal(jitter(noise(), change), noise())

    def test_draws_span_their_ranges_in_every_order(self):
        drawn = [draw_colours(PhotometricConfig(), np.random.default_rng(seed)) for seed in range(400)]
        # 400 draws miss one of 24 orders with a probability of at most 24 * (23 / 24) ** 400, below 1e-6.
        assert {change.order for change in drawn} == set(permutations(range(4)))
        values = np.array([(*change.factors, change.sigma) for change in drawn])
        assert values.min(axis=0) == pytest.approx([0.75, 0.75, 0.75, -0.25, 0.15], abs=0.02)
        assert values.max(axis=0) == pytest.approx([1.25, 1.25, 1.25, 0.25, 1.3], abs=0.02)

    def test_draws_never_change(self):
        """Trainings with colours stay reproducible: the numbers are drawn in the same order as in the first version."""
        rng = np.random.default_rng(5)
        factors = (*rng.uniform(0.75, 1.25, 3), rng.uniform(-0.25, 0.25))
        expected = Colours(factors, tuple(rng.permutation(4)), rng.uniform(0.15, 1.3))
        assert draw_colours(PhotometricConfig(), np.random.default_rng(5)) == expected


class TestBlur:
    def test_equals_torchvisions(self):
        """Each image by its own standard deviation; torchvision mirrors at the edge, so it gets the edge repeated."""
        sigmas = [0.15, 0.4, 0.8, 1.3]
        images = torch.stack([noise()] * len(sigmas))
        padded = torch.nn.functional.pad(images, (8,) * 4, mode="replicate")
        for ours, image, sigma in zip(blur(images, sigmas, 1.3), padded, sigmas, strict=True):
            theirs = v2.functional.gaussian_blur(image, [11, 11], [sigma, sigma])[:, 8:-8, 8:-8]
            assert torch.allclose(ours, theirs, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("sigma", [0.5, 1.3, 8.0])
    def test_spreads_a_line_as_a_gaussian(self, sigma):
        """The kernel ends at four standard deviations, beyond which a Gaussian has 6e-5 of its weight."""
        image = torch.zeros(1, 1, 5, 81)
        image[..., 40] = 1
        profile = blur(image, [sigma], sigma)[0, 0, 2].numpy()
        assert np.abs(profile - gaussian(sigma)).max() <= 1e-4

    def test_a_range_wider_than_the_crop(self):
        image = torch.full((1, 3, 8, 8), 0.25)
        assert torch.allclose(blur(image, [30.0], 30.0), image)


class TestChangeColours:
    def test_is_jitter_then_blur(self):
        images = torch.from_numpy(np.stack([scene(), scene()[::-1]]))
        changes = [draw_colours(PhotometricConfig(), np.random.default_rng(seed)) for seed in range(2)]
        ours = change_colours(images, changes, PhotometricConfig())
        assert (ours.shape, ours.dtype) == (images.shape, torch.float32)
        for image, change, result in zip(images, changes, ours, strict=True):
            values = torch.nn.functional.pad(torchvision_jitter(image.permute(2, 0, 1) / 255, change), (8,) * 4)
            expected = v2.functional.gaussian_blur(values, [11, 11], [change.sigma] * 2)[:, 16:-16, 16:-16]
            assert torch.allclose(result.permute(2, 0, 1)[:, 8:-8, 8:-8], 255 * expected, rtol=0, atol=0.01)

    def test_the_position_in_the_batch_changes_nothing(self):
        images = torch.from_numpy(np.stack([scene()] * 3))
        settings = PhotometricConfig()
        changes = [draw_colours(settings, np.random.default_rng(seed)) for seed in range(3)]
        together = change_colours(images, changes, settings)
        alone = [change_colours(images[:1], [change], settings)[0] for change in reversed(changes)]
        assert torch.equal(together, torch.stack(alone[::-1]))
