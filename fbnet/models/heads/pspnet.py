"""Head of PSPNet (Zhao et al., 2017): pyramid pooling."""

from torch import Tensor, cat, nn

from fbnet.models.layers import Classifier, RegionMeans, conv_bn_relu, scale_channels
from fbnet.models.resize import resize_to

BINS = (1, 2, 3, 6)


class PSPNetHead(nn.Module):
    """Features and their means over grids of 1, 2 x 2, 3 x 3 and 6 x 6 regions, concatenated, and a decoder.

    Args:
        channels: channels of each stage.
        classes: number of classes.
        width: width multiplier.

    Shape:
        Features by stage, (N, C, h, w) each, to logits (N, classes, H/8, W/8).
    """

    def __init__(self, channels: dict[str, int], classes: int, *, width: float) -> None:
        super().__init__()
        deep, inner = channels["res5"], scale_channels(512, width)
        self.pyramid = nn.ModuleList(nn.Sequential(RegionMeans(bins), conv_bn_relu(deep, inner, 1)) for bins in BINS)
        self.classifier = nn.Sequential(
            conv_bn_relu(deep + len(BINS) * inner, inner, 1),
            conv_bn_relu(inner, inner, 3),
            conv_bn_relu(inner, inner, 3),
            Classifier(inner, classes),
        )

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        deep = features["res5"]
        pooled = [resize_to(level(deep), deep) for level in self.pyramid]
        return self.classifier(cat([deep, *pooled], dim=1))
