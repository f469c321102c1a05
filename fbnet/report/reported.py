"""The paper's own numbers, in percent, transcribed into `params/reported/<table>.csv`; an empty cell is none."""

import csv
import math
from collections.abc import Collection
from pathlib import Path

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.config.runs import TableConfig
from fbnet.errors import InputError
from fbnet.io.text import read_text


def read_reported(name: str, table: TableConfig) -> dict[str, dict[str, float]]:
    """The paper's numbers of one table, by run and by column; IoUs go by class name.

    Raises InputError, with file and line, for another header than the table's columns, for runs that
    `params/runs.yaml` does not declare or that come twice, and for values that are not numbers.
    """
    path = paths.reported_file(name)
    header = ["run", *_columns(table)]
    lines = read_lines(path, header)
    runs = load_runs()
    declared = {**runs.runs, **runs.quoted}
    reported = {}
    for number, cells in enumerate(lines, start=2):
        _check_line(cells, header, declared, reported, f"{path}: line {number}")
        reported[cells[0]] = _numbers(header[1:], cells[1:], path, number)
    return reported


def read_lines(path: Path, header: list[str]) -> list[list[str]]:
    """The cells of a csv file's lines below its header. Raises InputError for no csv file, or another header."""
    hint = "restore it from the repository"
    try:
        lines = list(csv.reader(read_text(path, hint).splitlines()))
    except csv.Error as error:
        raise InputError(f"{path}: is no csv file ({error}); {hint}") from None
    if not lines or lines[0] != header:
        raise InputError(f"{path}: line 1: the header must be {','.join(header)}")
    return lines[1:]


def _columns(table: TableConfig) -> list[str]:
    """The paper's per-class columns are those of Cityscapes, whatever a study runs on."""
    return [name for column in table.columns for name in (CITYSCAPES.classes if column == "iou" else (column,))]


def _check_line(cells: list[str], header: list[str], declared: Collection, known: Collection, place: str) -> None:
    if len(cells) != len(header):
        raise InputError(f"{place}: must hold {len(header)} cells, not {len(cells)}")
    if cells[0] not in declared:
        raise InputError(
            f"{place}: no run or quoted method {cells[0]!r} in {paths.RUNS_FILE}; name one that it declares"
        )
    if cells[0] in known:
        raise InputError(f"{place}: the run {cells[0]} comes twice; keep one line of it")


def _numbers(columns: list[str], cells: list[str], path: Path, line: int) -> dict[str, float]:
    numbers = {}
    for column, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        try:
            numbers[column] = float(cell)
        except ValueError:
            numbers[column] = math.nan
        if not math.isfinite(numbers[column]):
            raise InputError(f"{path}: line {line}: {column}: must be a number or empty, not {cell!r}")
    return numbers
