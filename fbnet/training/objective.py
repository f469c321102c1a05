"""Training objective: L of Eq. 8."""

from functools import cache, partial

import torch
from torch import Tensor

from fbnet.config.labels import IGNORE_INDEX, LabelSpec
from fbnet.config.runs import BalanceConfig, RunConfig
from fbnet.config.training import TrainingConfig
from fbnet.models import block_loss
from fbnet.models.backbones.build import stage_strides
from fbnet.models.resize import resize_to
from fbnet.runtime.distributed import global_mean_share
from fbnet.training import losses


def compute_loss(
    outputs: dict, labels: Tensor, run: RunConfig, spec: LabelSpec, training: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """L_ce and the weighted sum of the auxiliary losses over the stages; their sum is L of Eq. 8.

    With several processes, these are this rank's shares of the two.

    Args:
        outputs: what the network returns.
        labels: (N, H, W) train ids.
        run: its auxiliary loss, stages and weight.
        spec: which classes are foreground.
        training: hard example mining and weights of L_ce.

    Returns:
        Two float32 scalars.
    """
    config, balance = run.balance, labels.new_zeros((), dtype=torch.float32)
    supervised = config.stages if config.auxiliary != "none" else ()
    # The network lists its outputs in the order of the backbone, whatever the order in the configuration.
    strides = [stride for stage, stride in stage_strides(run).items() if stage in supervised]
    block_labels = cache(partial(_block_labels, labels, config, spec))  # once for all stages of the same stride
    for stride, logits in zip(strides, outputs["balance"], strict=True):
        if config.auxiliary == "pce":
            loss = _pointwise_loss(logits, labels)
        else:
            loss = block_loss.block_bce(logits, *block_labels(stride), mean=global_mean_share)
        balance = balance + config.weight * loss
    return _segmentation_loss(outputs["out"], labels, training), balance


def _segmentation_loss(logits: Tensor, labels: Tensor, training: TrainingConfig) -> Tensor:
    weights, ohem = training.class_weights, training.ohem
    if training.image_weights is not None:
        return losses.image_weighted_cross_entropy(logits, labels, bound=training.image_weights)
    if ohem is None:
        return losses.cross_entropy(logits, labels, weights=weights)
    return losses.ohem_cross_entropy(logits, labels, ohem, weights=weights)


def _pointwise_loss(logits: Tensor, labels: Tensor) -> Tensor:
    # NOTE not in the paper: without hard examples and class weights, whatever the segmentation loss has.
    return losses.cross_entropy(resize_to(logits.float(), labels), labels)


def _block_labels(labels: Tensor, config: BalanceConfig, spec: LabelSpec, stride: int) -> tuple[Tensor, Tensor]:
    ignore_index = IGNORE_INDEX if config.ignored == "skip" else None
    return block_loss.block_labels(labels, spec.foreground_ids, stride, ignore_index)
