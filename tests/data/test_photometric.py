"""Colour jitter against torchvision's own transform, and the blur by its response to a line."""

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from fbnet.config.training import PhotometricConfig
from fbnet.data.photometric import adjustments, blur, change_colours, jitter


def picture(seed=0, size=(24, 32)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def gaussian(sigma, radius):
    """Gaussian kernel cut off at the radius, in the middle of 25 positions."""
    positions = np.arange(-12, 13)
    values = np.exp(-(positions**2) / (2 * sigma**2)) * (np.abs(positions) <= radius)
    return values / values.sum()


def boxes(sigma):
    """Kernel of three box filters with fractional ends whose variances sum to sigma ** 2, in 25 positions."""
    variance = sigma**2 / 3
    whole = int((np.sqrt(12 * variance + 1) - 1) / 2)
    # The variance of ends of weight w beside 2 * whole + 1 positions of weight 1, solved for w.
    inside, beyond = np.arange(-whole, whole + 1), (whole + 1) ** 2
    end = ((inside**2).sum() - variance * len(inside)) / (2 * (variance - beyond))
    box = np.array([end, *np.ones(len(inside)), end]) / (len(inside) + 2 * end)
    kernel = np.convolve(np.convolve(box, box), box)
    return np.pad(kernel, (25 - len(kernel)) // 2)


class Fixed:
    """Stand-in for a generator that returns one order and one relative amount, from 0 to 1, per change."""

    def __init__(self, order, amounts):
        self.order = order
        self.amounts = amounts

    def uniform(self, low, high, count=None):
        amounts = np.array(self.amounts[:3] if count else self.amounts[3])
        return low + (high - low) * amounts

    def permutation(self, count):
        return np.array(self.order)


class TestJitter:
    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
    @pytest.mark.parametrize("amounts", [(0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0), (0.1, 0.9, 0.4, 0.7)])
    def test_equals_torchvisions_color_jitter(self, order, amounts):
        image = Image.fromarray(picture())
        ours = jitter(image, 0.25, Fixed(order, amounts))
        names = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
        factors = [0.75 + 0.5 * amount for amount in amounts[:3]] + [-0.25 + 0.5 * amounts[3]]
        parameters = {"fn_idx": order, **dict(zip(names, factors, strict=True))}
        theirs = v2.ColorJitter(0.25, 0.25, 0.25, 0.25).transform(image, parameters)
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))
        assert not np.array_equal(np.asarray(ours), picture())

    def test_none_is_the_identity(self):
        image = Image.fromarray(picture())
        assert np.array_equal(np.asarray(jitter(image, 0.0, np.random.default_rng(0))), picture())

    def test_draws_span_their_ranges_in_every_order(self):
        """Factors and orders cover their ranges."""
        orders, factors = set(), []
        for seed in range(400):
            rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
            jitter(Image.new("RGB", (1, 1)), 0.25, rng)
            factors.append([*again.uniform(0.75, 1.25, 3), again.uniform(-0.25, 0.25)])
            orders.add(tuple(again.permutation(4)))
            assert rng.bit_generator.state == again.bit_generator.state
        # 400 draws miss one of 24 orders with a probability of at most 24 * (23 / 24) ** 400, below 1e-6.
        assert len(orders) == 24
        assert np.min(factors, axis=0) == pytest.approx([0.75, 0.75, 0.75, -0.25], abs=0.01)
        assert np.max(factors, axis=0) == pytest.approx([1.25, 1.25, 1.25, 0.25], abs=0.01)

    def test_the_changes_are_four_different_ones(self):
        image = Image.fromarray(picture())
        results = [np.asarray(change(image, 0.3)) for change in adjustments()]
        assert all(not np.array_equal(a, b) for i, a in enumerate(results) for b in results[:i])


class TestBlur:
    @pytest.mark.parametrize("sigma", [0.5, 0.8, 1.3])
    def test_spreads_a_line_by_its_standard_deviation(self, sigma):
        image = np.zeros((31, 31, 3), np.uint8)
        image[:, 15] = 255
        profile = np.asarray(blur(Image.fromarray(image), sigma))[15, :, 0].astype(float)
        positions = np.arange(31) - 15
        # Every pixel that the blur reaches is rounded three times, each time by at most half a grey level.
        reach = np.abs(positions) <= np.ceil(3 * sigma) + 1
        slack = 1.5 / 255 * (positions**2)[reach].sum()
        assert (profile * positions**2).sum() / 255 == pytest.approx(sigma**2, abs=slack)
        assert profile.sum() == pytest.approx(255, abs=1.5 * reach.sum())
        assert np.array_equal(profile, profile[::-1])

    @pytest.mark.parametrize("sigma", [0.15, 0.5, 1.0, 1.3])
    def test_as_good_as_torchvisions(self, sigma):
        """Three box filters of the same variance are close to a Gaussian; the kernels give the bound."""
        image, size = Image.fromarray(picture()), 2 * int(np.ceil(4 * sigma)) + 1
        theirs = np.asarray(v2.functional.gaussian_blur(image, [size, size], [sigma, sigma])).astype(int)
        difference = np.outer(*[boxes(sigma)] * 2) - np.outer(*[gaussian(sigma, size // 2)] * 2)
        # At worst all pixels are 255 where one kernel is the greater and 0 elsewhere. Both kernels sum to 1, so that
        # these are half of the absolute differences. Six passes of Pillow's and torchvision's result are rounded.
        bound = 255 * np.abs(difference).sum() / 2 + 7 * 0.5
        inner = (slice(8, -8), slice(8, -8))  # torchvision mirrors the picture beyond its edge, Pillow repeats the edge
        assert np.abs(np.asarray(blur(image, sigma)).astype(int) - theirs)[inner].max() <= bound
        if sigma > 0.15:
            assert np.abs(picture().astype(int) - theirs)[inner].max() > 3 * bound  # no blur at all would not pass


class TestChangeColours:
    def test_depends_on_the_generator_alone(self):
        settings = PhotometricConfig()
        first, again, other = (change_colours(picture(), settings, np.random.default_rng(seed)) for seed in (0, 0, 1))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
        assert (first.shape, first.dtype) == ((24, 32, 3), np.uint8)
        assert first.flags.writeable  # as torch requires

    def test_blurs_within_its_range(self):
        """Without jitter only the blur is left, with a standard deviation drawn from the range."""
        settings = PhotometricConfig(jitter=0.0, blur=(0.5, 1.3))
        for seed in range(5):
            sigma = np.random.default_rng(seed).uniform(0.5, 1.3)
            ours = change_colours(picture(), settings, np.random.default_rng(seed))
            assert np.array_equal(ours, np.asarray(blur(Image.fromarray(picture()), sigma)))
