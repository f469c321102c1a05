"""Means over maps and their regions, against torch's own."""

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from fbnet.models.layers import Classifier, GlobalMean, RegionMeans


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(16, 32), (13, 17), (1, 1)])
def test_a_global_mean_and_its_gradient_are_torch_s_to_the_last_bit(size, layout):
    torch.manual_seed(0)
    values = torch.randn(2, 48, *size).to(memory_format=layout).requires_grad_()
    ours, theirs = GlobalMean()(values), adaptive_avg_pool2d(values, 1)
    assert torch.equal(ours, theirs)
    weights = torch.randn(ours.shape)
    assert torch.equal(*(torch.autograd.grad(means, values, weights)[0] for means in (ours, theirs)))


def test_a_global_mean_in_half_precision_is_rounded_twice_at_most():
    torch.manual_seed(0)
    values = torch.rand(2, 48, 13, 17).bfloat16()
    means = GlobalMean()(values)
    assert means.dtype == torch.bfloat16
    assert torch.allclose(means.double(), values.double().mean(dim=(2, 3), keepdim=True), rtol=2**-7, atol=0)


@pytest.mark.parametrize("bins", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(12, 18), (13, 17), (5, 3)])
def test_region_means_and_their_gradients_are_torch_s(bins, size):
    torch.manual_seed(0)
    values = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    ours, theirs = RegionMeans(bins)(values), adaptive_avg_pool2d(values, bins)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-14)
    weights = torch.randn(ours.shape, dtype=torch.float64)
    gradients = [torch.autograd.grad(means, values, weights)[0] for means in (ours, theirs)]
    assert torch.allclose(*gradients, rtol=0, atol=1e-14)


def test_regions_overlap_where_the_size_is_no_multiple_of_bins():
    rows = torch.tensor([1.0, 2.0, 4.0])[None, None, :, None]
    assert RegionMeans(2)(rows.expand(1, 1, 3, 2))[0, 0, :, 0].tolist() == [1.5, 3.0]


def test_region_means_keep_half_precision():
    values = torch.ones(1, 2, 7, 7, dtype=torch.bfloat16)
    means = RegionMeans(3)(values)
    assert means.dtype == torch.bfloat16
    assert means.eq(1).all()


def test_a_classifier_computes_in_float32_within_autocast():
    torch.manual_seed(0)
    classifier, features = Classifier(256, 19), torch.randn(2, 256, 4, 4).bfloat16()
    exact = torch.nn.functional.conv2d(features.double(), classifier.weight.double(), classifier.bias.double())
    with torch.autocast("cpu", torch.bfloat16):
        logits = classifier(features)
        logits.sum().backward()
    assert logits.dtype == torch.float32
    assert torch.allclose(logits.double(), exact, rtol=1e-5, atol=1e-5)
    assert classifier.weight.grad.dtype == torch.float32
