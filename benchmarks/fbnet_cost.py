"""Cost of FBNet's module and loss in a training step and a prediction of the ResNet-101 FCN."""

import statistics
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.harness import Row, seconds, share_of_time, write
from benchmarks.networks import BATCH, CROP, DEVICE, Step
from fbnet.config.labels import CITYSCAPES
from fbnet.models.block_loss import block_bce, block_labels
from fbnet.models.flops import count
from fbnet.runtime.precision import autocast, choose_precision

STAGE, STRIDE = "res5", 8
STEPS, PREDICTIONS = 45, 121  # rounds; many, as the difference is small beside the machine's noise
AGAINST = "the same without FBNet"


def main() -> None:
    ours, theirs = Step("fcn_r101_fbnet"), Step("fcn_r101")
    step = share_of_time(
        ours, theirs, rounds=STEPS, what="FCN R101 with FBNet, training step", against=AGAINST, target=1.03
    )
    prediction = share_of_time(
        ours.predict,
        theirs.predict,
        rounds=PREDICTIONS,
        what="FCN R101 with FBNet, prediction",
        against=AGAINST,
        target=1.01,
    )
    added = Added(ours)
    write(
        "fbnet_cost",
        [replace(step, account=account(step, added.step)), replace(prediction, account=account(prediction, added))],
        batch=BATCH,
        crop=CROP,
        precision=choose_precision("auto", DEVICE),
        operations=count(ours.run, CITYSCAPES)[0] / count(theirs.run, CITYSCAPES)[0],
        rounds=[STEPS, PREDICTIONS],
    )


class Added:
    """The module alone, on the features that it gets in the network: calling it predicts, `step` trains."""

    def __init__(self, whole: Step) -> None:
        self.whole, self.module = whole, whole.network.balance[STAGE]
        self.optimiser = torch.optim.SGD(self.module.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
        given = []
        with self.module.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0].detach().clone())):
            whole.predict()
        self.features: Tensor = given[0]

    @torch.inference_mode()
    def __call__(self) -> None:
        with autocast("auto", DEVICE):
            self.module(self.features)

    def step(self) -> None:
        """Compute module, loss and gradients, and update the module's weights."""
        features = self.features.clone().requires_grad_()
        with autocast("auto", DEVICE):
            fused, logits = self.module(features)
        loss = block_bce(logits, *block_labels(self.whole.labels.to(DEVICE), CITYSCAPES.foreground_ids, STRIDE))
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward([fused, loss], [features.detach(), None])
        self.optimiser.step()


def account(row: Row, alone: Callable[[], None]) -> str:
    """Report the time of FBNet's part alone and the spread between rounds."""
    part = statistics.median(seconds(alone) for _ in range(PREDICTIONS))
    return (
        f"FBNet's part alone takes {part * 1e3:.1f} ms, {part / row.theirs:.4f} of the time without it. Between rounds "
        f"the ratio varies by {row.ratio.high - row.ratio.low:.2f}."
    )


if __name__ == "__main__":
    main()
