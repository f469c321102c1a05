"""A trained network as it is deployed: from the bytes of an image to probabilities or labels, in a single graph."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config as symbolic_shapes
from torch.nn.functional import pad

from fbnet.models.build import SegmentationNetwork

Returns = Literal["softmax", "labels"]
RETURNS: tuple[Returns, ...] = get_args(Returns)


class DeployedNetwork(nn.Module):
    """A network with the steps around it that prediction takes: normalisation, padding and cutting to size.

    Args:
        network: Network, in evaluation mode.
        returns: `softmax` for probabilities, `labels` for the most probable class.

    Shape:
        RGB images (N, H, W, 3) uint8, of any size, to
            probabilities (N, classes, H, W) float32, or labels (N, H, W) uint8, train ids.
    """

    def __init__(self, network: SegmentationNetwork, returns: Returns) -> None:
        super().__init__()
        self.network = network
        self.returns = returns
        self.multiple = max(network.backbone.strides.values())
        for name, values in network.backbone.normalisation._asdict().items():
            self.register_buffer(name, torch.tensor(values)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        # Contiguous, because tracing compares sizes with each other to find out about any other layout in memory.
        values = (images.permute(0, 3, 1, 2).contiguous().float() - self.mean) / self.std
        height, width = values.shape[-2:]
        padded = pad(values, (0, self._missing(width), 0, self._missing(height)))
        logits = self.network(padded)["out"][..., :height, :width]
        return logits.softmax(dim=1) if self.returns == "softmax" else logits.argmax(dim=1).to(torch.uint8)

    def _missing(self, length: int) -> int:
        """Pixels up to the next multiple of the largest stride."""
        return (length + self.multiple - 1) // self.multiple * self.multiple - length


def trace(network: DeployedNetwork) -> ExportedProgram:
    """Trace a network by torch.export for any number of images, of any height and width from twice the stride."""
    # Two features or more along each side of the deepest stages: single ones would be special cases of their own.
    side = Dim.DYNAMIC(min=2 * network.multiple)
    sizes = {0: Dim.DYNAMIC, 1: side, 2: side}
    example = torch.zeros(2, 61, 83, 3, dtype=torch.uint8)  # sizes without common factors
    # By default a batch of one image, and sides that need no padding, would be refused as special cases.
    with symbolic_shapes.patch(backed_size_oblivious=True):
        return torch.export.export(network.eval(), (example,), dynamic_shapes=(sizes,), strict=False)
