"""What FBNet's module and its loss add to a training step and to a prediction of the ResNet-101 FCN."""

from benchmarks.harness import share_of_time, write
from benchmarks.networks import BATCH, CROP, DEVICE, Step
from fbnet.device import choose_precision

STEPS, PREDICTIONS = 7, 41  # rounds; a prediction is quick, and its difference small


def main() -> None:
    ours, theirs = Step("fcn_r101_fbnet"), Step("fcn_r101")
    against = "the same without FBNet"
    rows = [
        share_of_time(
            ours, theirs, rounds=STEPS, what="FCN R101 with FBNet, training step", against=against, target=1.03
        ),
        share_of_time(
            ours.predict, theirs.predict, rounds=PREDICTIONS, what="FCN R101 with FBNet, prediction", against=against,
            target=1.01,
        ),
    ]  # fmt: skip
    write(
        "fbnet_cost",
        rows,
        batch=BATCH,
        crop=CROP,
        precision=choose_precision("auto", DEVICE),
        rounds=[STEPS, PREDICTIONS],
    )


if __name__ == "__main__":
    main()
