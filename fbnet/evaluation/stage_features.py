"""Features of a network's stages: as they come, as modulated, and as they are passed on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fbnet.config.training import Precision
from fbnet.evaluation.predictor import padded_input
from fbnet.models.build import SegmentationNetwork
from fbnet.runtime.precision import autocast


@dataclass(frozen=True)
class StageFeatures:
    """Features of one image after a stage, each (1, C, h, w) on the network's device."""

    stage: str
    stride: int
    """Image pixels along one side of a block, the area of one feature."""
    original: Tensor
    """X_l, of the stage itself."""
    modulated: Tensor | None
    """X_o of its feature modulator (Sec. 3.2); None without one."""
    passed_on: Tensor
    """What the next stage and the head see: X_l, or with a modulator its sum with X_o."""


def stage_features(
    network: SegmentationNetwork, image: np.ndarray, device: torch.device, precision: Precision
) -> list[StageFeatures]:
    """Features of an image, which passes the network as a whole, after each stage in order.

    Args:
        network: network in evaluation mode, on the device.
        image: (H, W, 3) uint8; its features cover it padded to multiples of the largest stride.
        device: where to compute.
        precision: of the forward pass.
    """
    found = []
    with torch.inference_mode(), autocast(precision, device):
        values = network.backbone.stem(padded_input(network, image, device))
        for name, stage in network.backbone.stages():
            original = values = stage(values)
            modulator = None
            if name in network.balance:
                modulator = network.balance[name].modulator
                values, _ = network.balance[name](original)
            modulated = None if modulator is None else modulator(original)
            found.append(StageFeatures(name, network.backbone.strides[name], original, modulated, values))
    return found
