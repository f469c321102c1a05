"""Read history.csv, the epochs of a training."""

import csv
import io
from dataclasses import fields
from pathlib import Path

from fbnet.errors import InputError
from fbnet.io.text import read_text
from fbnet.training.history import EpochRecord

LARGEST = 1e30  # larger values would overflow while drawing

History = tuple[EpochRecord, ...]


def read_history(path: Path) -> History | None:
    """Return the epochs of a training; None if there is no file. Raises InputError for a damaged one."""
    if not path.is_file():
        return None
    problem, hint = "not a history as `fbnet train` writes it", "delete it and train again"
    text = read_text(path, hint, problem)
    try:
        return tuple(_record(row) for row in csv.DictReader(io.StringIO(text)))
    except (ValueError, KeyError, csv.Error) as error:
        raise InputError(f"{path}: {problem} ({error}); {hint}") from None


def _record(row: dict[str, str | None]) -> EpochRecord:
    """Parse one line. Raises ValueError or KeyError for a malformed one."""
    kinds = {entry.name: entry.type for entry in fields(EpochRecord)}
    if row.keys() != kinds.keys() or None in row.values():
        raise ValueError(f"a line without {', '.join(kinds)}")
    record = EpochRecord(**{name: kinds[name](value) for name, value in row.items()})
    if not all(abs(value) <= LARGEST for value in vars(record).values()):
        raise ValueError("a value that is not a finite number")
    return record
