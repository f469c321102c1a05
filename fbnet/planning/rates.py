"""Operations per second of a machine, measured by its benchmark or assumed. Imports no torch.

The benchmark is a training step of the dilated FCN with ResNet-101 at the paper's crop and batch size. Other networks
are assumed to reach the same rate.
"""

from pathlib import Path
from typing import NamedTuple

from fbnet import paths
from fbnet.config.hardware import Hardware
from fbnet.errors import InputError
from fbnet.io.text import read_json

HINT = "run `python -m benchmarks training_step` again on that machine, or remove the file"
EXA = 1e18  # more than any machine reaches
SUFFIXES = {False: ", R101", True: ", R101, compiled"}  # of the benchmark's keys, by whether the network was compiled


class Rate(NamedTuple):
    """Operations per second, a multiplication and its addition counted as two."""

    operations: float
    measured: bool


Rates = dict[tuple[str, bool], Rate]  # by precision, `bfloat16` or `float32`, and whether the network is compiled


def load_rates(hardware: Hardware) -> Rates:
    """Load the training rates of a machine, measured or estimated. Raises InputError for a damaged benchmark."""
    estimates = {precision: hardware.peak(precision) * hardware.utilisation for precision in ("bfloat16", "float32")}
    rates = {
        (precision, compiled): Rate(estimate, measured=False)
        for precision, estimate in estimates.items()
        for compiled in SUFFIXES
    }
    for path in paths.training_benchmarks(hardware.name)[:1]:
        rates |= _read(path)
    return rates


def _read(path: Path) -> Rates:
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
            found[settings["precision"], compiled] = Rate(float(rates[key]), measured=True)
    return found
