"""Parts of L of Eq. 8 by run, against the losses themselves and values computed by hand."""

import numpy as np
import pytest
import torch

from fbnet.config.labels import CAMVID
from fbnet.config.load import load_runs
from fbnet.config.runs import BalanceConfig
from fbnet.config.training import OhemConfig, TrainingConfig
from fbnet.models.block_loss import block_bce, block_labels
from fbnet.training.losses import cross_entropy, ohem_cross_entropy
from fbnet.training.objective import compute_loss

RUNS = load_runs().runs
PLAIN = TrainingConfig(crop=(16, 24), batch_size=2, epochs=1, learning_rate=0.1)


def outputs_of(*, stages):
    generator = torch.Generator().manual_seed(0)
    balance = [torch.randn(1, 6, 16 // s, 24 // s, generator=generator) for s in stages]
    return {"out": torch.randn(1, 11, 16, 24, generator=generator), "balance": balance}


def some_labels():
    return torch.from_numpy(np.random.default_rng(0).choice([0, 2, 5, 8, 255], (1, 16, 24)).astype(np.uint8))


def test_baseline_has_no_auxiliary_loss():
    outputs = outputs_of(stages=())
    segmentation, balance = compute_loss(outputs, some_labels(), RUNS["fcn_r50"], CAMVID, PLAIN)
    assert segmentation == cross_entropy(outputs["out"], some_labels())
    assert balance.item() == 0


def test_class_weights_and_hard_examples_are_the_segmentation_loss_alone():
    weights = tuple(0.5 + 0.1 * index for index in range(11))
    outputs, labels = outputs_of(stages=()), some_labels()
    weighted = PLAIN.model_copy(update={"class_weights": weights})
    both = weighted.model_copy(update={"ohem": OhemConfig(threshold=0.2, min_kept=7)})
    expected = cross_entropy(outputs["out"], labels, weights=weights)
    assert compute_loss(outputs, labels, RUNS["fcn_r50"], CAMVID, weighted)[0] == expected
    expected = ohem_cross_entropy(outputs["out"], labels, both.ohem, weights=weights)
    assert compute_loss(outputs, labels, RUNS["fcn_r50"], CAMVID, both)[0] == expected

    run = RUNS["fcn_r50_fbnet"].model_copy(update={"balance": BalanceConfig(stages=("res5",), auxiliary="pce")})
    outputs["balance"] = [outputs["out"]]
    expected = cross_entropy(outputs["out"], labels)
    assert compute_loss(outputs, labels, run, CAMVID, both)[1] == expected


def test_stages_are_summed_at_their_own_strides():
    run = RUNS["fcn_r50_fbnet"].model_copy(update={"balance": BalanceConfig(stages=("res5", "res2"), weight=0.5)})
    outputs, labels = outputs_of(stages=(4, 8)), some_labels()
    _, balance = compute_loss(outputs, labels, run, CAMVID, PLAIN)
    expected = sum(
        block_bce(logits, *block_labels(labels, CAMVID.foreground_ids, stride))
        for logits, stride in zip(outputs["balance"], (4, 8), strict=True)
    )
    assert balance.item() == pytest.approx(0.5 * expected.item())


def test_block_labels_are_made_once_for_each_stride(monkeypatch):
    made = []

    def making(labels, classes, stride, ignore_index):
        made.append(stride)
        return block_labels(labels, classes, stride, ignore_index)

    monkeypatch.setattr("fbnet.models.block_loss.block_labels", making)
    run = RUNS["fcn_r50_fbnet"].model_copy(update={"balance": BalanceConfig(stages=("res2", "res3", "res4", "res5"))})
    for _ in range(2):  # those of one batch never serve the next
        compute_loss(outputs_of(stages=(4, 8, 8, 8)), some_labels(), run, CAMVID, PLAIN)
    assert made == [4, 8, 4, 8]


def test_ignored_blocks_may_count_as_negative():
    labels = torch.full((1, 16, 24), 255, dtype=torch.uint8)
    outputs = outputs_of(stages=(8,))
    skip, negative = (
        RUNS["fcn_r50_fbnet"].model_copy(update={"balance": BalanceConfig(stages=("res5",), ignored=ignored)})
        for ignored in ("skip", "negative")
    )
    assert compute_loss(outputs, labels, skip, CAMVID, PLAIN)[1].item() == 0
    expected = torch.nn.functional.softplus(outputs["balance"][0]).mean()
    assert compute_loss(outputs, labels, negative, CAMVID, PLAIN)[1].item() == pytest.approx(expected.item())


def test_pointwise_cross_entropy_is_at_the_labels_resolution():
    run = RUNS["fcn_r50_fbnet"].model_copy(update={"balance": BalanceConfig(stages=("res5",), auxiliary="pce")})
    logits = torch.zeros(1, 11, 2, 3)
    logits[:, 2] = 1.0  # the same everywhere, so that resizing cannot change it
    labels = torch.full((1, 16, 24), 2, dtype=torch.uint8)
    outputs = {"out": torch.zeros(1, 11, 16, 24), "balance": [logits]}
    expected = np.log(np.e + 10) - 1
    assert compute_loss(outputs, labels, run, CAMVID, PLAIN)[1].item() == pytest.approx(expected, rel=1e-6)
