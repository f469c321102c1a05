"""FBNet's add-on (Sec. 3, Fig. 5): the dual feature modulator and its auxiliary classifier."""

from typing import Literal

import torch
from torch import Tensor, nn

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
            for the point-wise cross-entropy; None for no classifier.
        modulator: source of X_o: `dfm`, the dual feature modulator, `conv`, a 1x1 convolution (Table 4), or None.
        squeeze_ratio: of the dual feature modulator's channel sensor.
        init: `paper` adds X_o as it is, which is about a quarter of X_l at first. NOTE not in the paper: `identity`
            multiplies it by a learned scale that starts at 0, so that the features of a trained network pass unchanged
            at first.

    Shape:
        Features (N, C, h, w) to features (N, C, h, w) and auxiliary logits (N, classes, h, w), or None.
    """

    def __init__(
        self,
        channels: int,
        classes: int | None,
        *,
        modulator: Literal["dfm", "conv"] | None = "dfm",
        squeeze_ratio: int = 1,
        init: Literal["paper", "identity"] = "paper",
    ) -> None:
        super().__init__()
        if init not in ("paper", "identity"):
            raise ValueError(f"init {init!r} is not known; choose 'paper' or 'identity'")
        self.modulator = _modulator(channels, modulator, squeeze_ratio)
        # G_conv of Eq. 3; its sigmoid is part of the loss.
        self.classifier = None if classes is None else nn.Conv2d(channels, classes, 1)
        scaled = self.modulator is not None and init == "identity"
        self.register_parameter("scale", nn.Parameter(torch.zeros(())) if scaled else None)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        x_o = features if self.modulator is None else self.modulator(features)
        logits = None if self.classifier is None else self.classifier(x_o)
        if self.modulator is None:
            return features, logits
        # NOTE the paper says "fuse" (Sec. 3.2) and "adding" (Fig. 7): we add.
        return features + (x_o if self.scale is None else self.scale * x_o), logits


def _modulator(channels: int, name: str | None, squeeze_ratio: int) -> nn.Module | None:
    if name == "dfm":
        return DualFeatureModulator(channels, squeeze_ratio=squeeze_ratio)
    if name == "conv":
        return nn.Conv2d(channels, channels, 1)
    if name is None:
        return None
    raise ValueError(f"modulator {name!r} is not known; choose 'dfm', 'conv' or None")


def _fully_connected(channels: int, squeeze_ratio: int) -> list[nn.Module]:
    if squeeze_ratio == 1:
        return [nn.Linear(channels, channels)]
    hidden = max(1, channels // squeeze_ratio)
    return [nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels)]
