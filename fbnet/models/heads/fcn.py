"""Fully convolutional heads (Long et al., 2015) on a dilated backbone."""

from torch import Tensor, cat, nn

from fbnet.models.layers import Classifier, conv_bn_relu, scale_channels
from fbnet.models.resize import resize_to

SKIP_CHANNELS = 48


class FCNHead(nn.Module):
    """The paper's "Dilated FCN": one 3x3 on res5, a skip from res2, two 3x3 at its resolution.

    NOTE the paper does not describe its head; this is the one of the family of codes that it builds on. The plain
    head's published mIoU on Cityscapes, about 73.6 with ResNet-50, is below the paper's baseline of 76.3.

    Args:
        channels: channels of each stage.
        classes: number of classes.
        width: width multiplier.

    Shape:
        Features by stage, (N, C, h, w) each, to logits (N, classes, H/4, W/4).
    """

    def __init__(self, channels: dict[str, int], classes: int, *, width: float) -> None:
        super().__init__()
        inner, skip = scale_channels(256, width), scale_channels(SKIP_CHANNELS, width)
        self.reduce = conv_bn_relu(channels["res5"], inner, 3)
        self.skip = nn.Conv2d(channels["res2"], skip, 1, bias=False)
        self.classifier = decoder(inner + skip, inner, classes)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        low = self.skip(features["res2"])
        high = resize_to(self.reduce(features["res5"]), low)
        return self.classifier(cat([low, high], dim=1))


class PlainFCNHead(nn.Module):
    """One 3x3 on res5 and a classifier, without skip; Args as of `FCNHead`.

    Shape:
        Features by stage, (N, C, h, w) each, to logits (N, classes, H/8, W/8).
    """

    def __init__(self, channels: dict[str, int], classes: int, *, width: float) -> None:
        super().__init__()
        inner = scale_channels(512, width)
        self.classifier = nn.Sequential(conv_bn_relu(channels["res5"], inner, 3), Classifier(inner, classes))

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        return self.classifier(features["res5"])


def decoder(channels: int, inner: int, classes: int) -> nn.Sequential:
    """Two 3x3 convolutions and the classifier."""
    return nn.Sequential(
        conv_bn_relu(channels, inner, 3),
        conv_bn_relu(inner, inner, 3),
        Classifier(inner, classes, bias=False),
    )
