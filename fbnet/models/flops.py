"""Operations and parameters of a network, counted by the rule that reproduces the paper's Table 2."""

import torch
from torch import Tensor, nn

from fbnet.config.labels import LabelSpec
from fbnet.config.runs import RunConfig
from fbnet.models.build import build
from fbnet.models.layers import GlobalMean, RegionMeans

NORMALISATIONS = (nn.BatchNorm2d, nn.LayerNorm)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU)
POOLINGS = (nn.MaxPool2d, GlobalMean, RegionMeans)
COUNTED = (nn.Conv2d, nn.Linear, *NORMALISATIONS, *ACTIVATIONS, *POOLINGS)
SIZE = (1024, 1024)  # of the image, as in Table 2


@torch.no_grad()
def count(run: RunConfig, labels: LabelSpec, *, width: float = 1.0, size: tuple[int, int] = SIZE) -> tuple[float, int]:
    """Count GFLOPs for one image of `size` in evaluation mode, and parameters.

    One multiplication with its addition counts once: convolutions and fully connected layers with their bias, 2 for
    each element of a batch or layer normalisation, 1 for each element of a ReLU or its like, and for pooling the
    elements of its input. Resizing and the modulator's products are not counted. Runs on the meta device, without
    computing anything.
    """
    with torch.device("meta"):
        network = build(run, labels, width=width).eval()
        images = torch.empty(1, 3, *size)
    return operations(network, images) / 1e9, sum(parameter.numel() for parameter in network.parameters())


def operations(network: nn.Module, images: Tensor) -> int:
    """Count the operations of one forward pass by the rule of `count`."""
    counted = []

    def add(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        counted.append(_layer_operations(layer, inputs[0], output))

    # By their kinds, as some of timm's normalisations contain their activation and so are no leaves.
    hooks = [layer.register_forward_hook(add) for layer in network.modules() if isinstance(layer, COUNTED)]
    network(images)
    for hook in hooks:
        hook.remove()
    return sum(counted)


def _layer_operations(layer: nn.Module, values: Tensor, output: Tensor) -> int:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        return output.numel() * (layer.weight[0].numel() + (layer.bias is not None))
    if isinstance(layer, NORMALISATIONS):
        return 2 * output.numel()
    return values.numel() if isinstance(layer, POOLINGS) else output.numel()
