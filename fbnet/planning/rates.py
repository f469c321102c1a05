"""Operations per second of a machine, measured by its benchmark or assumed. Imports no torch.

The benchmark is a training step of the dilated FCN with ResNet-101 at the paper's crop and batch size. Other networks
are assumed to reach the same rate.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fbnet import paths
from fbnet.config.hardware import Hardware
from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError
from fbnet.io.text import read_json

HINT = "run `python -m benchmarks training_step` again on that machine, or remove the file"
EXA = 1e18  # more than any machine reaches
SUFFIXES = {False: ", R101", True: ", R101, compiled"}  # of the benchmark's keys, by whether the network was compiled


class Rate(NamedTuple):
    """Operations per second, a multiplication and its addition counted as two."""

    operations: float
    measured: bool


@dataclass(frozen=True)
class Rates:
    """Training rates of a machine, by precision, `bfloat16` or `float32`, and whether the network is compiled."""

    estimated: dict[tuple[str, bool], float]
    measured: dict[tuple[str, bool], float]
    configuration: dict[str, bool] | None
    """Parts of the training that was measured, see `configuration`; None without a benchmark."""

    def of(self, training: TrainingConfig, precision: str, *, compiled: bool) -> Rate:
        """Return the rate of a training: measured if its parts are those of the benchmark, which take time too."""
        key = precision, compiled
        if key in self.measured and self.configuration == configuration(training):
            return Rate(self.measured[key], measured=True)
        return Rate(self.estimated[key], measured=False)

    def of_predictions(self, precision: str) -> float:
        """Return the rate of predictions, which are not compiled: that of a training, as none was measured."""
        return (self.estimated | self.measured)[precision, False]


def configuration(training: TrainingConfig) -> dict[str, bool]:
    """Return the parts of a training that change its speed, apart from network, crop, batch and precision."""
    parts = {"ohem": training.ohem, "photometric": training.photometric}
    return {"deterministic": training.deterministic, **{name: part is not None for name, part in parts.items()}}


def load_rates(hardware: Hardware) -> Rates:
    """Load the training rates of a machine. Raises InputError for a damaged benchmark."""
    peaks = {precision: hardware.peak(precision) * hardware.utilisation for precision in ("bfloat16", "float32")}
    estimated = {(precision, compiled): peak for precision, peak in peaks.items() for compiled in SUFFIXES}
    for path in paths.training_benchmarks(hardware.name)[:1]:
        return Rates(estimated, *_read(path))
    return Rates(estimated, {}, None)


def _read(path: Path) -> tuple[dict[tuple[str, bool], float], dict[str, bool] | None]:
    """Return the rates of a benchmark, and the parts of its training, None if it does not name them."""
    content = read_json(path, "damaged", HINT)
    settings = content.get("settings") if isinstance(content, dict) else None
    rates = settings.get("operations_per_second") if isinstance(settings, dict) else None
    if not isinstance(rates, dict) or not isinstance(settings.get("precision"), str):
        raise InputError(f"{path}: damaged (settings have no precision and operations_per_second); {HINT}")
    found = {}
    for compiled, suffix in SUFFIXES.items():
        for key in (key for key in rates if key.endswith(suffix)):
            if isinstance(rates[key], bool) or not isinstance(rates[key], int | float) or not 1 <= rates[key] < EXA:
                raise InputError(f"{path}: damaged ({key!r} is not a rate); {HINT}")
            found[settings["precision"], compiled] = float(rates[key])
    return found, settings.get("configuration")
