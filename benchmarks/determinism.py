"""Cost of deterministic kernels in a training step of the ResNet-101 FCN with FBNet."""

from functools import partial

from benchmarks.harness import share_of_time, write
from benchmarks.networks import BATCH, CROP, DEVICE, Step
from fbnet.runtime.determinism import deterministic_algorithms
from fbnet.runtime.precision import choose_precision

ROUNDS = 9


def main() -> None:
    step = Step("fcn_r101_fbnet")
    row = share_of_time(
        partial(run, step, deterministic=True),
        partial(run, step, deterministic=False),
        rounds=ROUNDS,
        what="FCN R101 with FBNet, deterministic training step",
        against="the same with `deterministic: false`",
        target=1.1,
    )
    write("determinism", [row], batch=BATCH, crop=CROP, precision=choose_precision("auto", DEVICE), rounds=ROUNDS)


def run(step: Step, *, deterministic: bool) -> None:
    with deterministic_algorithms(deterministic):
        step()


if __name__ == "__main__":
    main()
