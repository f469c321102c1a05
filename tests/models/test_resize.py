"""Bilinear resizing against `torch.nn.functional.interpolate`, in value, gradient and memory layout."""

import pytest
import torch
from torch.nn.functional import interpolate

from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.models.build import build
from fbnet.models.resize import resize_to
from fbnet.runtime.determinism import deterministic_algorithms

RUNS = load_runs().runs
# Sources and targets: two, four and eight times as large as heads and P-CE have, pooled maps, sizes that are no
# multiples, and smaller ones, as of multi-scale evaluation.
SIZES = [
    *(((h, w), (scale * h, scale * w)) for h, w in ((13, 17), (26, 26), (45, 60), (1, 2)) for scale in (2, 4, 8)),
    *(((bins, bins), size) for bins in (1, 2, 3, 6) for size in ((13, 17), (45, 60))),
    *(((20, 36), size) for size in ((20, 36), (10, 18), (15, 27), (25, 45), (19, 35), (21, 37), (1, 1), (33, 5))),
    *(((104, 104), (208, 208)), ((104, 104), (832, 832))),
]


def both(values, size):
    """Result and gradient of ours and of torch."""
    torch.manual_seed(1)
    found = []
    weights = torch.randn(*values.shape[:2], *size).to(values.dtype)
    for resize in (lambda x: resize_to(x, weights), lambda x: interpolate(x, size=size, mode="bilinear")):
        given = values.clone().requires_grad_()
        result = resize(given)
        found.append((result.detach(), torch.autograd.grad(result, given, weights.to(result))[0]))
    return found


def test_thirty_sizes():
    assert len(SIZES) == 30


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("source", "target"), SIZES)
def test_equals_interpolate(source, target, layout):
    torch.manual_seed(0)
    ours, theirs = both(torch.randn(2, 3, *source).to(memory_format=layout), target)
    assert torch.equal(ours[0], theirs[0])
    assert ours[0].stride() == theirs[0].stride()
    # A gradient is a sum of up to `magnitude` products, each rounded at its own size.
    magnitude = max(1.0, target[0] * target[1] / (source[0] * source[1]))
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-5, atol=1e-5 * magnitude**0.5)


@pytest.mark.parametrize(("source", "target"), SIZES)
def test_bfloat16_is_rounded_once(source, target):
    torch.manual_seed(0)
    ours, theirs = both(torch.randn(2, 3, *source).bfloat16().to(memory_format=torch.channels_last), target)
    assert ours[1].dtype == torch.bfloat16
    assert torch.equal(ours[0], theirs[0])
    torch.manual_seed(1)
    weights = torch.randn(2, 3, *target).bfloat16().double()
    given = torch.zeros(2, 3, *source, dtype=torch.float64, requires_grad=True)
    exact = torch.autograd.grad(interpolate(given, size=target, mode="bilinear"), given, weights)[0]
    torch.testing.assert_close(ours[1].double(), exact, rtol=2**-8, atol=1e-4)


def test_the_gradient_is_the_derivative():
    torch.manual_seed(0)
    values = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resize_to(x, torch.empty(7, 9)), values)


def test_a_gradient_within_autocast_is_not_rounded():
    values = torch.randn(1, 2, 5, 6, requires_grad=True)
    weights = torch.randn(1, 2, 20, 24)
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            found.append(torch.autograd.grad(resize_to(values, weights), values, weights)[0])
    assert torch.equal(*found)


def test_channels_last_stays():
    values = torch.randn(2, 8, 5, 6).to(memory_format=torch.channels_last).requires_grad_()
    resized = resize_to(values, torch.empty(10, 12))
    (gradient,) = torch.autograd.grad(resized.square().sum(), values)
    assert resized.is_contiguous(memory_format=torch.channels_last)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "run", ["fcn_r50_fbnet", "pspnet_r50_fbnet", "deeplabv3plus_r50_fbnet", "deeplabv3plus_wrn38_fbnet"]
)
def test_networks_are_traced_as_one_graph(run):
    """Forward and backward, with the numbers of the network that is not compiled."""
    torch.manual_seed(0)
    network = build(RUNS[run], CITYSCAPES, width=0.0625).to(memory_format=torch.channels_last).eval()
    images = torch.randn(2, 3, 32, 64).to(memory_format=torch.channels_last)
    found = []
    torch.compiler.reset()
    with deterministic_algorithms(True):
        for traced in (network, torch.compile(network, fullgraph=True, backend="aot_eager")):
            network.zero_grad()
            outputs = traced(images)
            (outputs["out"].square().mean() + sum(logits.square().mean() for logits in outputs["balance"])).backward()
            found.append([outputs["out"].detach(), *(value.grad for value in network.parameters())])
    for expected, ours in zip(*found, strict=True):
        assert (ours - expected).norm() <= 1e-4 * expected.norm()  # tracing changes the order of rounding
