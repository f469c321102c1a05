"""FBNet's add-on (Sec. 3, Fig. 5): the dual feature modulator and its auxiliary classifier."""

from torch import Tensor, nn

from fbnet.config.runs import BalanceConfig
from fbnet.models.layers import GlobalMean


class DualFeatureModulator(nn.Module):
    """Weigh features by position and by channel (Eqs. 5 to 7): X_o = X_l * S_s * S_c.

    Args:
        channels: C, channels of the features X_l.
        squeeze_ratio: 1 for the channel sensor's single fully connected layer (Eq. 6). NOTE not in the paper: larger
            ratios put a hidden layer of C / squeeze_ratio channels in its place.

    Shape:
        (N, C, h, w) to (N, C, h, w).
    """

    def __init__(self, channels: int, *, squeeze_ratio: int = 1) -> None:
        super().__init__()
        self.spatial_sensor = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.Sigmoid())
        self.channel_sensor = nn.Sequential(
            GlobalMean(), nn.Flatten(), *_fully_connected(channels, squeeze_ratio), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        s_s = self.spatial_sensor(features)  # (N, 1, h, w)
        s_c = self.channel_sensor(features)[:, :, None, None]  # (N, C, 1, 1)
        return features * s_s * s_c


class FeatureBalance(nn.Module):
    """Feature balance module after a backbone stage.

    Without modulator (Table 4, the auxiliary loss alone) X_o is X_l itself, and the features pass unchanged.

    Args:
        channels: C, channels of the features X_l.
        classes: outputs of the auxiliary classifier: the foreground classes for the block-wise BCE, all classes
            for the point-wise cross-entropy.
        config: modulator and auxiliary loss.

    Shape:
        Features (N, C, h, w) to features (N, C, h, w) and auxiliary logits (N, classes, h, w), or None.
    """

    def __init__(self, channels: int, classes: int, config: BalanceConfig) -> None:
        super().__init__()
        self.modulator = _modulator(channels, config)
        # G_conv of Eq. 3; its sigmoid is part of the loss.
        self.classifier = nn.Conv2d(channels, classes, 1) if config.auxiliary != "none" else None

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        x_o = features if self.modulator is None else self.modulator(features)
        logits = None if self.classifier is None else self.classifier(x_o)
        # NOTE the paper says "fuse" (Sec. 3.2) and "adding" (Fig. 7): we add.
        fused = features if self.modulator is None else features + x_o
        return fused, logits


def _modulator(channels: int, config: BalanceConfig) -> nn.Module | None:
    if config.modulator == "dfm":
        return DualFeatureModulator(channels, squeeze_ratio=config.squeeze_ratio)
    return nn.Conv2d(channels, channels, 1) if config.modulator == "conv" else None


def _fully_connected(channels: int, squeeze_ratio: int) -> list[nn.Module]:
    if squeeze_ratio == 1:
        return [nn.Linear(channels, channels)]
    hidden = max(1, channels // squeeze_ratio)
    return [nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels)]
