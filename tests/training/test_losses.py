"""Losses of the prediction by numbers computed by hand."""

import math

import numpy as np
import pytest
import torch

from fbnet.config.training import OhemConfig
from fbnet.training.losses import (
    cross_entropy,
    image_weighted_cross_entropy,
    ohem_cross_entropy,
)


class TestCrossEntropy:
    def test_by_hand(self):
        # two pixels of weight log-odds, the third ignored
        logits = torch.tensor([[[[0.0, 1.0, 9.0]], [[0.0, 3.0, -9.0]]]])  # (1, 2, 1, 3)
        labels = torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)
        expected = (math.log(2) + math.log(1 + math.exp(-2))) / 2
        assert cross_entropy(logits, labels).item() == pytest.approx(expected)

    def test_no_labelled_pixel(self):
        logits = torch.randn(1, 3, 2, 2, requires_grad=True)
        loss = cross_entropy(logits, torch.full((1, 2, 2), 255))
        loss.backward()
        assert loss.item() == 0
        assert torch.equal(logits.grad, torch.zeros_like(logits))

    def test_float32_whatever_the_logits(self):
        loss = cross_entropy(torch.zeros(1, 4, 2, 2, dtype=torch.bfloat16), torch.zeros(1, 2, 2))
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(math.log(4), rel=1e-6)

    def test_weights_as_in_torch(self):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(2, 5, 6, 7, generator=generator)
        labels = torch.randint(0, 5, (2, 6, 7), generator=generator)
        labels[:, :2] = 255
        weights = [0.5, 1.0, 2.0, 3.0, 0.1]
        expected = torch.nn.functional.cross_entropy(logits, labels, torch.tensor(weights), ignore_index=255)
        assert cross_entropy(logits, labels.byte(), weights=weights).item() == pytest.approx(expected.item(), rel=1e-6)

    def test_no_labelled_pixel_with_weights(self):
        logits = torch.randn(1, 3, 2, 2, requires_grad=True)
        loss = cross_entropy(logits, torch.full((1, 2, 2), 255), weights=[1.0, 2.0, 3.0])
        loss.backward()
        assert loss.item() == 0
        assert torch.equal(logits.grad, torch.zeros_like(logits))


def slow_ohem(logits, labels, settings, weights):
    """Pixel by pixel in float64, by sorting probabilities; also the kept pixels as (image, row, column)."""
    sums, positions = [], []
    for image in range(len(labels)):
        found, total, count = [], 0.0, 0.0
        for row, column in zip(*np.nonzero(labels[image] != 255), strict=True):
            scores = logits[image, :, row, column].astype(float)
            train_id = labels[image, row, column]
            probability = np.exp(scores[train_id]) / np.exp(scores).sum()
            found.append((probability, train_id, row, column))
        found.sort(key=lambda entry: entry[0])
        # the last of the hardest ones that are kept in any case, and all that are as hard
        limit = found[min(settings.min_kept, len(found)) - 1][0] if found else 0
        for probability, train_id, row, column in found:
            if probability < settings.threshold or probability <= limit:
                total -= weights[train_id] * np.log(probability)
                count += weights[train_id]
                positions.append((image, row, column))
        sums += [(total, count)] if count else []
    if settings.mean == "batch":
        sums = [tuple(map(sum, zip(*sums, strict=True)))]
    return sum(total / count for total, count in sums) / len(sums), positions


class TestOhemCrossEntropy:
    def data(self, seed=0):
        """Sharp logits, so that some pixels are easy, and an image with more ignored pixels than the other."""
        rng = np.random.default_rng(seed)
        logits = 3 * rng.standard_normal((2, 4, 9, 7)).astype(np.float32)
        labels = rng.integers(0, 4, (2, 9, 7)).astype(np.uint8)
        labels[0, :2] = 255
        labels[1, :7] = 255
        return logits, labels

    def check(self, logits, labels, threshold, min_kept, weights=None, mean="image"):
        """Value and gradient against the slow reference; returns the number of kept pixels."""
        given = torch.tensor(logits, requires_grad=True)
        settings = OhemConfig(threshold=threshold, min_kept=min_kept, mean=mean)
        loss = ohem_cross_entropy(given, torch.tensor(labels), settings, weights=weights)
        loss.backward()
        expected, positions = slow_ohem(logits, labels, settings, weights or [1.0] * logits.shape[1])
        # float32 keeps 7 digits; a sum of at most 126 terms loses a part of the last two
        assert loss.item() == pytest.approx(expected, rel=1e-5)
        moved = given.grad.abs().sum(dim=1) > 0
        assert sorted(map(tuple, moved.nonzero().tolist())) == sorted(positions)
        return len(positions)

    @pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0, 4.0]])
    @pytest.mark.parametrize("min_kept", [1, 10, 20, 40, 63, 1000])
    @pytest.mark.parametrize("threshold", [1e-6, 0.3, 0.7, 1.0])
    @pytest.mark.parametrize("mean", ["image", "batch"])
    def test_equals_the_slow_reference(self, threshold, min_kept, weights, mean):
        logits, labels = self.data()
        self.check(logits, labels, threshold, min_kept, weights, mean)

    def test_each_image_weighs_the_same(self):
        """A hard pixel of probability 1/2 in one image, three of 1/5 in the other; the third is not labelled."""
        logits = torch.zeros(3, 5, 1, 3)
        logits[0, 2:] = -math.inf
        labels = torch.tensor([[[0, 255, 255]], [[1, 2, 3]], [[255, 255, 255]]])
        by_image, by_batch = (
            ohem_cross_entropy(logits, labels, OhemConfig(threshold=0.7, min_kept=1, mean=mean)).item()
            for mean in ("image", "batch")
        )
        assert by_image == pytest.approx((math.log(2) + math.log(5)) / 2)
        assert by_batch == pytest.approx((math.log(2) + 3 * math.log(5)) / 4)

    def test_is_that_of_one_image_a_process_averaged(self):
        """So it does not change with the number of GPUs that share the batch."""
        logits, labels = (torch.tensor(values) for values in self.data())
        settings = OhemConfig(threshold=0.7, min_kept=20)
        alone = [ohem_cross_entropy(logits[i : i + 1], labels[i : i + 1], settings) for i in range(2)]
        together = ohem_cross_entropy(logits, labels, settings)
        assert together.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-6)

    def test_the_cases_differ(self):
        """Few pixels are hard enough, or many, or all; an image with 14 labelled pixels cannot give 20."""
        logits, labels = self.data()
        kept = [self.check(logits, labels, *case) for case in ((1e-6, 1), (1e-6, 20), (0.7, 1), (0.7, 20), (0.7, 60))]
        assert kept[:2] == [2, 20 + 14]
        assert 2 < kept[2] < kept[3]  # by the threshold alone; then the second image's pixels are all kept
        assert kept[4] == 49 + 14

    def test_ties_are_kept_together(self):
        logits = np.zeros((1, 2, 1, 6), np.float32)
        logits[0, 0, 0] = [3, 1, 1, 1, 5, 5]
        labels = np.zeros((1, 1, 6), np.uint8)
        # two are asked for, but the three hardest are equally hard; of none is the probability below 0.1
        assert self.check(logits, labels, 0.1, 2) == 3
        assert self.check(logits, labels, 0.1, 4) == 4
        assert self.check(logits, labels, 0.1, 5) == 6

    def test_each_image_keeps_its_own(self):
        logits = np.zeros((2, 2, 1, 4), np.float32)
        logits[0, 0, 0] = [-4, -5, -6, -7]  # all harder than any of the other image
        logits[1, 0, 0] = [4, 5, 6, 7]
        assert self.check(logits, np.zeros((2, 1, 4), np.uint8), 0.5, 2) == 4 + 2

    def test_no_labelled_pixel(self):
        logits = torch.randn(2, 3, 4, 4, requires_grad=True)
        loss = ohem_cross_entropy(logits, torch.full((2, 4, 4), 255), OhemConfig(), weights=[1.0, 2.0, 3.0])
        loss.backward()
        assert loss.item() == 0
        assert torch.equal(logits.grad, torch.zeros_like(logits))

    def test_all_pixels_are_plain_cross_entropy(self):
        logits, labels = (torch.tensor(values) for values in self.data())
        weights = [0.5, 1.0, 2.0, 4.0]
        loss = ohem_cross_entropy(logits, labels, OhemConfig(min_kept=63, mean="batch"), weights=weights)
        assert loss.item() == pytest.approx(cross_entropy(logits, labels, weights=weights).item(), rel=1e-6)

    def test_a_loss_that_is_not_a_number_shows(self):
        logits = torch.zeros(1, 2, 2, 2)
        logits[0, 0, 1, 1] = math.nan
        loss = ohem_cross_entropy(logits, torch.zeros(1, 2, 2), OhemConfig(threshold=0.1, min_kept=1))
        assert math.isnan(loss.item())

    def test_float32_whatever_the_logits(self):
        logits = torch.zeros(1, 4, 2, 2, dtype=torch.bfloat16)
        loss = ohem_cross_entropy(logits, torch.zeros(1, 2, 2), OhemConfig(min_kept=1))
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(math.log(4), rel=1e-6)


class TestImageWeights:
    def test_by_hand(self):
        # class 0 on three of four pixels weighs 1 + 6 / 4, class 1 on one of them 1 + 6 * 3 / 4
        labels = torch.tensor([[[0, 0, 0, 1, 255]]])
        logits = torch.zeros(1, 3, 1, 5)
        logits[0, 1, 0, 3] = math.log(2)
        right, rare = math.log(3), math.log(4) - math.log(2)
        expected = (3 * 2.5 * right + 5.5 * rare) / (3 * 2.5 + 5.5)
        assert image_weighted_cross_entropy(logits, labels, bound=6).item() == pytest.approx(expected, rel=1e-6)

    def test_equals_torch_image_by_image(self):
        generator = torch.Generator().manual_seed(3)
        logits = torch.randn(3, 19, 12, 10, generator=generator)
        labels = torch.randint(0, 19, (3, 12, 10), generator=generator).to(torch.uint8)
        labels[0, :6] = 255
        labels[1] = 4
        means = []
        for image, label in zip(logits, labels, strict=True):
            kept = label[label != 255].long()
            share = torch.bincount(kept, minlength=19) / len(kept)
            weight = 1 + 6 * (1 - share)
            means.append(torch.nn.functional.cross_entropy(image[None], label[None].long(), weight, ignore_index=255))
        expected = torch.stack(means).mean().item()
        assert image_weighted_cross_entropy(logits, labels, bound=6).item() == pytest.approx(expected, rel=1e-6)

    def test_an_image_without_labels_is_left_out(self):
        logits = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(0))
        labels = torch.full((2, 4, 4), 255, dtype=torch.uint8)
        assert image_weighted_cross_entropy(logits, labels, bound=6).item() == 0
        labels[0] = 2
        alone = image_weighted_cross_entropy(logits[:1], labels[:1], bound=6)
        assert image_weighted_cross_entropy(logits, labels, bound=6) == alone

    def test_is_float32_and_shows_what_is_no_number(self):
        labels = torch.zeros(1, 4, 4, dtype=torch.uint8)
        logits = torch.zeros(1, 3, 4, 4, dtype=torch.bfloat16)
        assert image_weighted_cross_entropy(logits, labels, bound=6).dtype == torch.float32
        logits[0, 0, 0, 0] = math.nan
        assert image_weighted_cross_entropy(logits, labels, bound=6).isnan()
