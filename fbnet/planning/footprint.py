"""Operations and memory of a training, counted on the meta device, which computes nothing."""

import math
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import torch
from torch import Tensor, nn

from fbnet.config.labels import LabelSpec
from fbnet.config.runs import RunConfig
from fbnet.config.training import TrainingConfig
from fbnet.models.build import build
from fbnet.models.flops import operations

FLOAT_BYTES = 4
BYTES = {"float32": 4, "bfloat16": 2}  # of an activation
LOGIT_MAPS = 2  # logits and their gradient; losses keep no other map of this size


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Operations and memory of one training iteration."""

    operations: float
    """Multiply-adds of the forward pass per pixel, see `fbnet.models.flops`."""
    parameters: int
    memory: int
    """Bytes on the GPU: weights, gradients and momentum in float32; in bfloat16 a copy of the weights; activations that
    autograd keeps for the backward pass; logits of the crop's size in float32 with their gradient. Library workspaces
    come on top, and a compiled network keeps less."""


def footprint(
    run: RunConfig, labels: LabelSpec, training: TrainingConfig, precision: Literal["float32", "bfloat16"], width: float
) -> Footprint:
    """Count what a training of a run takes on a single GPU.

    Args:
        run: the run, whose network is built.
        labels: the classes.
        training: crop and batch size.
        precision: precision of the forward pass.
        width: width multiplier of backbone and head.
    """
    with torch.device("meta"):
        network = build(run, labels, width=width).train()
        images = torch.empty(training.batch_size, 3, *training.crop)
    count, activations = trace_forward(network, images, BYTES[precision])
    pixels = training.batch_size * math.prod(training.crop)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    copy = 0 if precision == "float32" else BYTES[precision]
    # Point-wise cross-entropy resizes its logits to the crop as well.
    outputs = 1 + (len(run.balance.stages) if run.balance.auxiliary == "pce" else 0)
    logits = LOGIT_MAPS * FLOAT_BYTES * outputs * len(labels.classes) * pixels
    weights = (3 * FLOAT_BYTES + copy) * parameters  # weights, gradients, momentum
    return Footprint(operations=count / pixels, parameters=parameters, memory=weights + activations + logits)


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
