"""Operations per second of a training step, against torchvision's FCN on the same crops."""

from collections.abc import Callable
from dataclasses import replace

from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import Row, Spread, times_as_fast, write
from benchmarks.networks import BATCH, CROP, DEVICE, Step, TorchvisionStep
from fbnet.planning.rates import configuration
from fbnet.runtime.precision import choose_precision

ROUNDS = 7
PRECISION = choose_precision("auto", DEVICE)
# The other side is in float32: where ours is, too, it need not be faster.
TARGET = 1.0 if PRECISION == "float32" else 2.0 if DEVICE.type == "cuda" else 1.8


def main() -> None:
    theirs = TorchvisionStep()
    variants = {"": Step("fcn_r50")}
    if DEVICE.type == "cuda":
        variants |= {", R101": Step("fcn_r101"), ", R101, compiled": Step("fcn_r101", compiled=True)}
    rows, seconds, operations = [], {}, {"torchvision": counted(theirs)}
    for name, ours in variants.items():
        what = f"training step, operations per second{name}"
        operations[what] = counted(Step(ours.run_id))
        row = times_as_fast(
            ours, theirs, rounds=ROUNDS, what=what, against="torchvision's fcn_resnet50, float32, NCHW", target=TARGET
        )
        rows.append(per_operation(row, operations[what] / operations["torchvision"]))
        seconds[what] = row.ours
    write(
        "training_step",
        rows,
        batch=BATCH,
        crop=CROP,
        precision=PRECISION,
        configuration=configuration(variants[""].training),
        operations=operations,
        operations_per_second={what: operations[what] / seconds[what] for what in seconds},
        rounds=ROUNDS,
    )


def counted(step: Callable[[], None]) -> int:
    """Count operations of a step, forward and backward; a multiplication with its addition counts as two."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def per_operation(row: Row, operations: float) -> Row:
    """Convert a ratio of times to one of operations per second, given ours over theirs in operations."""
    ratio = Spread(*(operations * value for value in (row.ratio.median, row.ratio.low, row.ratio.high)))
    return replace(row, ratio=ratio)


if __name__ == "__main__":
    main()
