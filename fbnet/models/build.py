"""Networks of runs: backbone, feature balance modules and head."""

from torch import Tensor, nn

from fbnet.config.labels import LabelSpec
from fbnet.config.runs import RunConfig
from fbnet.models.backbones.build import Backbone, build_backbone, stage_channels
from fbnet.models.feature_balance import FeatureBalance
from fbnet.models.heads.deeplabv3plus import DeepLabv3PlusHead
from fbnet.models.heads.fcn import FCNHead, PlainFCNHead
from fbnet.models.heads.pspnet import PSPNetHead
from fbnet.models.layers import initialise, resize_to

HEADS = {
    "fcn": FCNHead,
    "fcn_plain": PlainFCNHead,
    "pspnet": PSPNetHead,
    "deeplabv3plus": DeepLabv3PlusHead,
}


class SegmentationNetwork(nn.Module):
    """Backbone with feature balance modules after some of its stages (Fig. 6) and a head; `labels` has its classes.

    Shape:
        Normalised images (N, 3, H, W) to a dict of
            `out`: logits (N, classes, H, W),
            `balance`: a list of auxiliary logits (N, C, ceil(H/s), ceil(W/s)), one for each stage with an
                auxiliary loss, s being the stage's stride.
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
        # In float32, as bfloat16 would round away the differences between neighbouring pixels.
        return {"out": resize_to(self.head(features).float(), images), "balance": auxiliary}


def build(run: RunConfig, labels: LabelSpec, *, width: float = 1.0) -> SegmentationNetwork:
    """Build the network of a run with random weights.

    Args:
        run: backbone, head and feature balance modules.
        labels: classes to tell apart, and which of them are foreground.
        width: width multiplier of backbone and head.
    """
    channels = stage_channels(run.backbone, width)
    classes = len(labels.classes)
    auxiliary_classes = classes if run.balance.auxiliary == "pce" else len(labels.foreground)
    backbone = build_backbone(run, width)
    head = HEADS[run.head](channels, classes, width=width)
    initialise(head)
    # Last and not re-initialised, so that a run and its baseline draw the same backbone and head at the same seed.
    balance = nn.ModuleDict(
        {stage: FeatureBalance(channels[stage], auxiliary_classes, run.balance) for stage in run.balance.stages}
    )
    return SegmentationNetwork(backbone, balance, head, labels)
