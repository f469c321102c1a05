"""Reads a table back from the Markdown that `fbnet table` wrote, for pages that show it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fbnet.errors import InputError
from fbnet.io.text import read_text
from fbnet.report import captions

Alignment = Literal["left", "center", "right"]
KINDS = ("ours", "±", "paper", "difference", "quoted")
FIRST_KINDS = ("ours", "quoted")


@dataclass(frozen=True)
class Line:
    """One line of a run's row."""

    kind: str
    """One of KINDS."""
    cells: tuple[str, ...]
    """As long as the table's head; descriptions are empty but in a run's first line."""


@dataclass(frozen=True)
class MadeTable:
    """A table as its file shows it."""

    name: str
    caption: str
    """Without its lead."""
    head: tuple[str, ...]
    """The columns, without that of the kinds."""
    alignments: tuple[Alignment, ...]
    runs: tuple[tuple[Line, ...], ...]
    """The lines of each run or quoted method."""


def read_table(name: str, path: Path) -> MadeTable:
    """A table from its Markdown file. Raises InputError for a file that is not as `fbnet table` writes it."""
    problem, hint = "not a table as `fbnet table` writes it", "make it again"
    caption, _, body = read_text(path, hint, problem).partition("\n\n")
    try:
        head, rule, *rows = [_cells(line) for line in body.strip().splitlines()]
        place = head.index("")  # the column of the kinds has no head
        runs: list[list[Line]] = []
        for cells in rows:
            if len(cells) != len(head) or cells[place] not in KINDS:
                raise ValueError(f"a line {' | '.join(cells)!r}")
            runs += [[]] if cells[place] in FIRST_KINDS else []
            runs[-1].append(Line(cells[place], _without(cells, place)))
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: {problem} ({error}); {hint}") from None
    return MadeTable(
        name=name,
        caption=caption.removeprefix(f"**{captions.lead(name)}.** "),
        head=_without(head, place),
        alignments=_without([_alignment(cell) for cell in rule], place),
        runs=tuple(map(tuple, runs)),
    )


def _cells(line: str) -> list[str]:
    if not re.fullmatch(r"\|.*\|", line):
        raise ValueError(f"a line {line!r}")
    return [cell.strip() for cell in line[1:-1].split("|")]


def _without(items: list, place: int) -> tuple:
    return (*items[:place], *items[place + 1 :])


def _alignment(cell: str) -> Alignment:
    if cell.startswith(":") and cell.endswith(":"):
        return "center"
    return "right" if cell.endswith(":") else "left"
