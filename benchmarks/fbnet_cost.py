"""What FBNet's module and its loss add to a training step and to a prediction of the ResNet-101 FCN."""

from dataclasses import replace

from benchmarks.harness import Row, share_of_time, write
from benchmarks.networks import BATCH, CROP, DEVICE, Step
from fbnet.data.specs import CITYSCAPES
from fbnet.device import choose_precision
from fbnet.models.flops import count

STEPS, PREDICTIONS = 15, 81  # rounds; a prediction is quick, and its difference small
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
    counted = count(ours.run, CITYSCAPES)[0] / count(theirs.run, CITYSCAPES)[0]
    write(
        "fbnet_cost",
        [replace(row, account=account(row, counted)) for row in (step, prediction)],
        batch=BATCH,
        crop=CROP,
        precision=choose_precision("auto", DEVICE),
        operations=counted,
        rounds=[STEPS, PREDICTIONS],
    )


def account(row: Row, counted: float) -> str:
    """What its operations let expect, and how much the rounds differ among themselves."""
    return (
        f"by its operations a prediction would take {counted:.4f} times as long. Between rounds the ratio differs by "
        f"{row.ratio.high - row.ratio.low:.2f}."
    )


if __name__ == "__main__":
    main()
