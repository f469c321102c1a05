"""Layers that backbones and heads share."""

from torch import nn


def scale_channels(channels: int, width: float) -> int:
    """A layer's number of channels under the width multiplier, at least 4."""
    return max(4, round(channels * width))


def conv_bn_relu(channels: int, out_channels: int, size: int, *, dilation: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU; the map's size is kept at stride 1."""
    padding = dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, size, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def initialise(module: nn.Module) -> None:
    """He initialisation of all convolutions."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
