"""How many operations a second a machine does in a training: as was measured on it, else as is assumed. No torch.

What is measured is a training step of the dilated FCN with ResNet-101 at the paper's crop and batch; the rate of other
networks is taken to be the same.
"""

from dataclasses import dataclass
from pathlib import Path

from fbnet import paths
from fbnet.config.hardware import Hardware
from fbnet.errors import InputError
from fbnet.io.text import read_json

REMEDY = "run `python -m benchmarks training_step` again on that machine, or remove the file"
EXA = 1e18  # what no machine reaches
# What the keys of the benchmark's rates end with, by whether the network was compiled.
ENDINGS = {False: ", R101", True: ", R101, compiled"}


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Operations a second, a multiplication and its addition as two."""

    operations: float
    measured: bool


@dataclass(frozen=True, kw_only=True)
class Rates:
    """All rates of a machine; `load_rates` makes it."""

    hardware: Hardware
    precision: str | None = None
    """What the measured rates are of, if there are any."""
    measured: dict[bool, float]
    """By whether the network was compiled."""

    def training(self, precision: str, *, compiled: bool) -> Rate:
        """Of a training whose network computes in `bfloat16` or `float32`."""
        if precision == self.precision and compiled in self.measured:
            return Rate(operations=self.measured[compiled], measured=True)
        return Rate(operations=self.hardware.peak(precision) * self.hardware.utilisation, measured=False)

    def evaluation(self, precision: str) -> Rate:
        """Of predictions: that of a training that is not compiled, and so an estimate in any case."""
        return Rate(operations=self.training(precision, compiled=False).operations, measured=False)


def load_rates(hardware: Hardware) -> Rates:
    """A machine's rates. Raises InputError for a damaged benchmark of it."""
    for path in paths.training_benchmarks(hardware.name):
        precision, measured = _read(path)
        return Rates(hardware=hardware, precision=precision, measured=measured)
    return Rates(hardware=hardware, measured={})


def _read(path: Path) -> tuple[str, dict[bool, float]]:
    """In what a benchmark computed, and its rates by whether the network was compiled."""
    content = read_json(path, "damaged", REMEDY)
    settings = content.get("settings") if isinstance(content, dict) else None
    rates = settings.get("operations_per_second") if isinstance(settings, dict) else None
    if not isinstance(rates, dict) or not isinstance(settings.get("precision"), str):
        raise InputError(f"{path}: damaged (settings have no precision and operations_per_second); {REMEDY}")
    found = {}
    for compiled, ending in ENDINGS.items():
        for key in (key for key in rates if key.endswith(ending)):
            if isinstance(rates[key], bool) or not isinstance(rates[key], int | float) or not 1 <= rates[key] < EXA:
                raise InputError(f"{path}: damaged ({key!r} is no rate); {REMEDY}")
            found[compiled] = float(rates[key])
    return settings["precision"], found
