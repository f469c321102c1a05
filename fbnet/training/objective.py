"""What a training makes small: L of Eq. 8, for each run the parts that it has."""

import torch
from torch import Tensor

from fbnet.config.labels import IGNORE_INDEX, LabelSpec
from fbnet.config.runs import BalanceConfig, RunConfig
from fbnet.config.training import TrainingConfig
from fbnet.models.backbones.build import stage_strides
from fbnet.models.resize import resize_to
from fbnet.training.losses import (
    block_bce,
    block_labels,
    cross_entropy,
    image_weighted_cross_entropy,
    ohem_cross_entropy,
)


def losses(
    outputs: dict, labels: Tensor, run: RunConfig, spec: LabelSpec, training: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """L_ce and the weighted sum of the auxiliary losses over the stages; their sum is L of Eq. 8.

    Where several processes train together, these are this one's shares of the two.

    Args:
        outputs: what the network returns.
        labels: (N, H, W) train ids.
        run: which auxiliary loss, after which stages, with which weight.
        spec: which classes are foreground.
        training: whether L_ce has hard example mining and class weights.

    Returns:
        Two float32 scalars.
    """
    balance = labels.new_zeros((), dtype=torch.float32)
    supervised = run.balance.stages if run.balance.auxiliary != "none" else ()
    # The network lists its outputs in the order of the backbone, whatever the order of the description.
    strides = [stride for stage, stride in stage_strides(run.backbone).items() if stage in supervised]
    for stride, logits in zip(strides, outputs["balance"], strict=True):
        balance = balance + run.balance.weight * _auxiliary_loss(logits, labels, stride, run.balance, spec)
    return _segmentation_loss(outputs["out"], labels, training), balance


def _segmentation_loss(logits: Tensor, labels: Tensor, training: TrainingConfig) -> Tensor:
    if training.image_weights is not None:
        return image_weighted_cross_entropy(logits, labels, bound=training.image_weights)
    if training.ohem is None:
        return cross_entropy(logits, labels, weights=training.class_weights)
    settings = training.ohem
    return ohem_cross_entropy(
        logits, labels, threshold=settings.threshold, min_kept=settings.min_kept, weights=training.class_weights
    )


def _auxiliary_loss(logits: Tensor, labels: Tensor, stride: int, config: BalanceConfig, spec: LabelSpec) -> Tensor:
    if config.auxiliary == "pce":
        # NOTE without hard examples and class weights, whatever the segmentation loss has: not in the paper.
        return cross_entropy(resize_to(logits.float(), labels), labels)
    ignore_index = IGNORE_INDEX if config.ignored == "skip" else None
    targets, mask = block_labels(labels, spec.foreground_ids, stride, ignore_index)
    return block_bce(logits, targets, mask)
