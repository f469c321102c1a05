"""The paper's numbers in percent, transcribed into `params/reported/<table>.csv`; empty cells hold none."""

import csv
import math
from pathlib import Path

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.config.runs import TableConfig
from fbnet.errors import InputError
from fbnet.io.text import read_text


def read_reported(name: str, table: TableConfig) -> dict[str, dict[str, float]]:
    """Return the paper's numbers of a table by run and column; IoU columns go by Cityscapes' class names.

    Raises:
        InputError: with file and line, for another header than the table's columns, for unknown or repeated runs, and
            for values that are not numbers.
    """
    path = paths.reported_file(name)
    columns = table.result_columns(CITYSCAPES.classes)
    runs = load_runs()
    declared = {**runs.runs, **runs.quoted}
    reported: dict[str, dict[str, float]] = {}
    for line, (run, *cells) in read_lines(path, ["run", *columns]):
        if run not in declared:
            raise InputError(f"{line}: no run or quoted method {run!r} in {paths.RUNS_FILE}; name one that it declares")
        if run in reported:
            raise InputError(f"{line}: the run {run} comes twice; keep one line of it")
        reported[run] = {column: parse_number(cell) for column, cell in zip(columns, cells, strict=True) if cell}
        for column, value in reported[run].items():
            if not math.isfinite(value):
                raise InputError(f"{line}: {column}: must be a number or empty, not {cells[columns.index(column)]!r}")
    return reported


def read_lines(path: Path, header: list[str]) -> list[tuple[str, list[str]]]:
    """Return the lines of a CSV file below its header, each with its label for messages and its cells.

    The csv module keeps the lines apart, which messages name; pandas does not.

    Raises:
        InputError: for another header, for lines of another length, and for what is not CSV.
    """
    hint = "restore it from the repository"
    try:
        lines = list(csv.reader(read_text(path, hint).splitlines()))
    except csv.Error as error:
        raise InputError(f"{path}: not CSV ({error}); {hint}") from None
    if not lines or lines[0] != header:
        raise InputError(f"{path}: line 1: the header must be {','.join(header)}")
    labelled = [(f"{path}: line {number}", cells) for number, cells in enumerate(lines[1:], start=2)]
    for label, cells in labelled:
        if len(cells) != len(header):
            raise InputError(f"{label}: must hold {len(header)} cells, not {len(cells)}")
    return labelled


def parse_number(text: str) -> float:
    """Return the number that a text holds; NaN if it holds none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
