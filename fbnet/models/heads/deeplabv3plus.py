"""Head of DeepLabv3+ (Chen et al., 2018): atrous spatial pyramid pooling and a decoder with a skip from res2."""

from torch import Tensor, cat, nn

from fbnet.models.heads.fcn import SKIP_CHANNELS, decoder
from fbnet.models.layers import GlobalMean, conv_bn_relu, scale_channels
from fbnet.models.resize import resize_to

RATES = (12, 24, 36)  # of the 3x3 convolutions, for output stride 8


class DeepLabv3PlusHead(nn.Module):
    """ASPP with image pooling, projected by a bare 1x1, and the decoder.

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
        deep = channels["res5"]
        self.pooled = nn.Sequential(GlobalMean(), conv_bn_relu(deep, inner, 1))
        self.branches = nn.ModuleList(
            [conv_bn_relu(deep, inner, 1), *(conv_bn_relu(deep, inner, 3, dilation=rate) for rate in RATES)]
        )
        # Without bias, normalisation and ReLU, the network has the paper's GFLOPs (Table 2).
        self.project = nn.Conv2d((2 + len(RATES)) * inner, inner, 1, bias=False)
        self.skip = nn.Conv2d(channels["res2"], skip, 1, bias=False)
        self.classifier = decoder(inner + skip, inner, classes)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        deep = features["res5"]
        pooled = resize_to(self.pooled(deep), deep)
        pyramid = self.project(cat([pooled, *(branch(deep) for branch in self.branches)], dim=1))
        low = self.skip(features["res2"])
        return self.classifier(cat([low, resize_to(pyramid, low)], dim=1))
