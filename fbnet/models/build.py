"""Network of a run: backbone, feature balance modules and head."""

from pkgutil import resolve_name

from torch import Tensor, nn

from fbnet.config.labels import LabelSpec
from fbnet.config.registry import HEADS
from fbnet.config.runs import BalanceConfig, RunConfig
from fbnet.models.backbones.build import Backbone, build_backbone
from fbnet.models.feature_balance import FeatureBalance
from fbnet.models.layers import initialise
from fbnet.models.resize import resize_to


class SegmentationNetwork(nn.Module):
    """Backbone with feature balance modules after some of its stages (Fig. 6), and a head.

    Args:
        backbone: Backbone, iterated stage by stage.
        balance: Feature balance modules by stage name.
        head: Segmentation head on the features of all stages.
        labels: Classes of the head.

    Shape:
        Normalised images (N, 3, H, W) to a dict of
            `out`: logits (N, classes, H, W),
            `balance`: list of auxiliary logits (N, C, ceil(H/s), ceil(W/s)), one for each stage of stride s with an
                auxiliary loss.
    """

    def __init__(self, backbone: Backbone, balance: nn.ModuleDict, head: nn.Module, labels: LabelSpec) -> None:
        super().__init__()
        self.labels = labels
        self.backbone = backbone
        self.balance = balance
        self.head = head

    def forward(self, images: Tensor) -> dict[str, Tensor | list[Tensor]]:
        values, features, auxiliary = self.backbone.stem(images), {}, []
        for name, stage in self.backbone.stages():
            values = stage(values)
            if name in self.balance:
                values, logits = self.balance[name](values)
                auxiliary += [] if logits is None else [logits]
            features[name] = values
        # The head's logits are float32, so that resizing does not round away differences between neighbouring pixels.
        return {"out": resize_to(self.head(features), images), "balance": auxiliary}


def build(run: RunConfig, labels: LabelSpec, *, width: float = 1.0) -> SegmentationNetwork:
    """Build the network of a run with random weights.

    Args:
        run: Configuration of the run.
        labels: Classes to predict; the foreground ones are those of the block-wise loss.
        width: Width multiplier of backbone and head.

    Raises:
        InputError: for a backbone that needs a package that is not installed, or cannot be built so.
    """
    classes = len(labels.classes)
    backbone = build_backbone(run, width)
    channels = backbone.channels
    head = resolve_name(HEADS[run.head])(channels, classes, width=width)
    # NOTE not in the paper: fan in, as in the family of codes that it builds on. By fan out, the few outputs of the
    # classifier would begin with logits as large as those of a trained network.
    initialise(head, "fan_in")
    # Last and not re-initialised, so that a run and its baseline draw the same backbone and head at the same seed.
    balance = nn.ModuleDict(
        {stage: _feature_balance(channels[stage], run.balance, labels) for stage in run.balance.stages}
    )
    return SegmentationNetwork(backbone, balance, head, labels)


def _feature_balance(channels: int, config: BalanceConfig, labels: LabelSpec) -> FeatureBalance:
    classes = {"bwbce": len(labels.foreground), "pce": len(labels.classes), "none": None}[config.auxiliary]
    modulator = None if config.modulator == "none" else config.modulator
    init = config.init or "paper"
    return FeatureBalance(channels, classes, modulator=modulator, squeeze_ratio=config.squeeze_ratio, init=init)
