"""What deterministic algorithms cost in a training step of the ResNet-101 FCN with FBNet."""

from benchmarks.harness import share_of_time, write
from benchmarks.networks import BATCH, CROP, DEVICE, Step
from fbnet.runtime.determinism import deterministic_algorithms
from fbnet.runtime.precision import choose_precision

ROUNDS = 9


def main() -> None:
    step = Step("fcn_r101_fbnet")
    row = share_of_time(
        Within(step, wanted=True),
        Within(step, wanted=False),
        rounds=ROUNDS,
        what="FCN R101 with FBNet, deterministic training step",
        against="the same with `deterministic: false`",
        target=1.1,
    )
    write("determinism", [row], batch=BATCH, crop=CROP, precision=choose_precision("auto", DEVICE), rounds=ROUNDS)


class Within:
    """A step with deterministic algorithms, or with whatever is fastest."""

    def __init__(self, step: Step, *, wanted: bool) -> None:
        self.step, self.wanted = step, wanted

    def __call__(self) -> None:
        with deterministic_algorithms(self.wanted):
            self.step()


if __name__ == "__main__":
    main()
