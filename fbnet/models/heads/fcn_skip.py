"""Fully convolutional head with skips from two stages (Long et al., 2015), slim enough for a CPU."""

from torch import Tensor, cat, nn

from fbnet.models.layers import Classifier, conv_bn_relu, scale_channels
from fbnet.models.resize import resize_to

INNER_CHANNELS = 128
SKIP_CHANNELS = {"res3": 48, "res2": 32}
"""Stages that the features meet on their way up, the deeper one first."""


class FCNSkipHead(nn.Module):
    """One 3x3 on res5, and at the resolution of res3 and of res2 one 3x3 on its features and a skip.

    NOTE not in the paper: for backbones that are slimmer than its own and of a larger output stride.

    Args:
        channels: channels of each stage.
        classes: number of classes.
        width: width multiplier.

    Shape:
        Features by stage, (N, C, h, w) each, to logits (N, classes, H/s, W/s), s being the stride of res2.
    """

    def __init__(self, channels: dict[str, int], classes: int, *, width: float) -> None:
        super().__init__()
        inner = scale_channels(INNER_CHANNELS, width)
        skips = {stage: scale_channels(number, width) for stage, number in SKIP_CHANNELS.items()}
        self.reduce = conv_bn_relu(channels["res5"], inner, 3)
        # Normalised, as features of early stages are many times as large as those that they meet here.
        self.skips = nn.ModuleDict({stage: conv_bn_relu(channels[stage], skip, 1) for stage, skip in skips.items()})
        self.fuse = nn.ModuleDict({stage: conv_bn_relu(inner + skip, inner, 3) for stage, skip in skips.items()})
        self.classifier = Classifier(inner, classes)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        values = self.reduce(features["res5"])
        for stage, skip in self.skips.items():
            low = skip(features[stage])
            values = self.fuse[stage](cat([low, resize_to(values, low)], dim=1))
        return self.classifier(values)
