"""What a network costs in operations and memory, counted on tensors without memory."""

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
BYTES = {"float32": 4, "bfloat16": 2}  # of a number that the network computes
LOGIT_MAPS = 2  # logits and their gradient: a loss keeps nothing else of this size


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What one iteration of a training takes."""

    operations: float
    """A multiplication with its addition as one, forward only, for each pixel of an image (`fbnet.models.flops`)."""
    parameters: int
    memory: int
    """Bytes on the GPU: weights, gradients and momentum in float32, in bfloat16 a copy of the weights, what autograd
    keeps of a batch for the backward pass, and logits of the crop's size in float32 with their gradient. The workspaces
    of its libraries come on top, and a compiled network keeps less."""


def footprint(
    run: RunConfig, labels: LabelSpec, training: TrainingConfig, precision: Literal["float32", "bfloat16"], width: float
) -> Footprint:
    """What a training of a run takes on a single GPU.

    Args:
        run: whose network.
        labels: the classes to tell apart.
        training: crop and batch size.
        precision: what the network computes in.
        width: width multiplier of backbone and head.
    """
    with torch.device("meta"):
        network = build(run, labels, width=width)
        image, batch = (torch.empty(images, 3, *training.crop) for images in (1, training.batch_size))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    pixels = math.prod(training.crop)
    # Point-wise cross-entropy resizes its logits to the crop as well.
    outputs = 1 + (len(run.balance.stages) if run.balance.auxiliary == "pce" else 0)
    logits = FLOAT_BYTES * training.batch_size * len(labels.classes) * pixels * outputs
    copy = 0 if precision == "float32" else BYTES[precision] * parameters
    return Footprint(
        operations=operations(network.eval(), image) / pixels,
        parameters=parameters,
        memory=(
            3 * FLOAT_BYTES * parameters  # weights, gradients, momentum
            + copy
            + kept_bytes(network.train(), batch, BYTES[precision])
            + LOGIT_MAPS * logits
        ),
    )


def kept_bytes(network: nn.Module, images: Tensor, float_bytes: int) -> int:
    """Bytes that autograd keeps of a forward pass until the backward pass, beside what the network holds anyway.

    Args:
        network: in training mode.
        images: a batch, on the same device; on `meta` nothing is computed.
        float_bytes: of each floating-point number, whatever it has here.
    """
    kept = {}

    def keep(values: Tensor) -> Tensor:
        # Several layers may keep the same memory: a ReLU in place its output, the next convolution this as its input.
        kept[values.untyped_storage()._cdata] = values
        return values

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
        _outputs = network(images)
    for held in chain(network.parameters(), network.buffers()):
        kept.pop(held.untyped_storage()._cdata, None)
    return sum(_stored_numbers(values) * _bytes(values, float_bytes) for values in kept.values())


def _stored_numbers(values: Tensor) -> int:
    """Of the whole memory of which a tensor may show a part."""
    return values.untyped_storage().nbytes() // values.element_size()


def _bytes(values: Tensor, float_bytes: int) -> int:
    return float_bytes if values.is_floating_point() else values.element_size()
