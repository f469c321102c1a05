"""Operations and memory of a training, counted on the meta device, which computes nothing."""

import math
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn

from fbnet.config.labels import LabelSpec
from fbnet.config.runs import RunConfig
from fbnet.models.build import SegmentationNetwork, build
from fbnet.models.flops import operations
from fbnet.planning.estimates import BYTES, FLOAT_BYTES, Estimate, Footprint

LOGIT_MAPS = 2  # logits and their gradient; losses keep no other map of this size


def footprint(estimate: Estimate) -> Footprint:
    """Count what a training takes on a single GPU."""
    run, labels, training, precision = estimate.run, estimate.labels, estimate.training, estimate.precision
    network = describe(run, labels, estimate.width)
    images = torch.empty(training.batch_size, 3, *training.crop, device="meta")
    count, activations = trace_forward(network, images, BYTES[precision])
    pixels = training.batch_size * math.prod(training.crop)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    copy = 0 if precision == "float32" else BYTES[precision]
    # Point-wise cross-entropy resizes its logits to the crop as well.
    outputs = 1 + (len(run.balance.stages) if run.balance.auxiliary == "pce" else 0)
    logits = LOGIT_MAPS * FLOAT_BYTES * outputs * len(labels.classes) * pixels
    weights = (3 * FLOAT_BYTES + copy) * parameters  # weights, gradients, momentum
    return Footprint(operations=count / pixels, parameters=parameters, memory=weights + activations + logits)


def describe(run: RunConfig, labels: LabelSpec, width: float) -> SegmentationNetwork:
    """Build the network of a run on the meta device, in training mode, without a backward pass.

    torch finds the shapes of a batch normalisation there by running its definition step by step, which would take two
    thirds of a trace.
    """
    with torch.device("meta"):
        network = build(run, labels, width=width).train()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.forward = partial(_Normalisation.apply, layer.weight, layer.bias)
    return network


def trace_forward(network: nn.Module, images: Tensor, float_bytes: int) -> tuple[int, int]:
    """Count operations of a forward pass and bytes of the activations that autograd keeps for the backward pass.

    Parameters and buffers are not counted as activations.

    Args:
        network: in training mode.
        images: a batch on the same device.
        float_bytes: bytes of a floating-point activation, whatever its dtype here.
    """
    kept = {}

    def keep(values: Tensor) -> Tensor:
        # Layers may keep the same storage: an in-place ReLU its output, the next convolution the same as its input.
        kept[values.untyped_storage()._cdata] = values
        return values

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
        count = operations(network, images)
    for held in chain(network.parameters(), network.buffers()):
        kept.pop(held.untyped_storage()._cdata, None)
    activations = 0
    for values in kept.values():
        numbers = values.untyped_storage().nbytes() // values.element_size()  # the tensor may be a view
        activations += numbers * (float_bytes if values.is_floating_point() else values.element_size())
    return count, activations


class _Normalisation(torch.autograd.Function):
    """Batch normalisation of meta tensors: shapes, and what autograd keeps of it in training mode."""

    @staticmethod
    def forward(ctx, weight: Tensor, bias: Tensor, values: Tensor) -> Tensor:
        mean, deviation = torch.empty_like(weight), torch.empty_like(bias)
        ctx.save_for_backward(values, weight, mean, deviation)
        return torch.empty_like(values)
