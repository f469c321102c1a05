"""Lays a table out: csv for programs, Markdown and LaTeX for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
from tabulate import SEPARATING_LINE, tabulate

from fbnet.report import captions

if TYPE_CHECKING:
    from fbnet.report.cells import Table
from fbnet.report.cells import Cell, Row

NONE = "–"
NONE_CSV = "-"
MARK = "✓"
HEADERS = {
    "method": "Method",
    "venue": "Venue",
    "backbone": "Backbone",
    "res2": "Res2",
    "res3": "Res3",
    "res4": "Res4",
    "res5": "Res5",
    "pce": "P-CE",
    "bwbce": "BwBCE",
    "conv": "Conv",
    "dfm": "DFM",
    "trained_on": "Trained on",
    "coarse": "Coarse †",
    "mapillary": "Mapillary ‡",
    "test_miou": "Test mIoU",
    "miou": "mIoU",
    "miou_gain": "mIoU gain",
    "f_miou": "f-mIoU",
    "f_miou_gain": "f-mIoU gain",
    "gflops": "GFLOPs",
    # Classes, as the paper's Table 1 shortens them; others stand by their names.
    "sidewalk": "swalk",
    "building": "build.",
    "traffic light": "tligh.",
    "traffic sign": "tsign.",
    "vegetation": "veg",
    "terrain": "terr.",
    "person": "pers.",
    "motorcycle": "mcyc",
    "bicycle": "bcyc",
}
LEFT = ("method", "venue", "backbone", "trained_on")
WIDE = 10  # with more columns than this, a spread stands under its mean instead of behind it
LATEX_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)
LATEX_SYMBOLS = str.maketrans(
    {
        "±": r"$\pm$",
        "−": "$-$",
        "×": r"$\times$",
        "✓": r"$\checkmark$",
        "†": r"$\dagger$",
        "‡": r"$\ddagger$",
        "–": "--",
        "“": "``",
        "”": "''",
    }
)


def to_csv(table: Table) -> str:
    """One row a run; percent and GFLOPs to two decimals, `-` where there is nothing, spaces in names as `_`."""
    return pd.DataFrame([_record(row) for row in table.rows]).to_csv(index=False, lineterminator="\n")


def to_metrics(table: Table) -> dict[str, dict[str, float]]:
    """Our means by run and column, in percent and GFLOPs to two decimals; without those that do not exist."""
    return {
        row.run: {
            column.replace(" ", "_"): round(cell.mean, 2) for column, cell in row.cells.items() if cell.mean is not None
        }
        for row in table.rows
        if not row.quoted
    }


def to_markdown(table: Table) -> str:
    """The caption, then the lines of every row: `ours`, `paper` and `difference`, or `quoted`."""
    lines = [line for row in table.rows for line in _lines(row, table)]
    body = tabulate(lines, _headers(table), "pipe", disable_numparse=True, colalign=_alignment(table))
    return f"**{captions.lead(table.name)}.** {table.caption}\n\n{body}\n"


def to_latex(table: Table) -> str:
    """The same as a floating table, to be \\input into a document, whose own count numbers it."""
    body = tabulate(
        _ruled_lines(table), _headers(table), "latex_booktabs", disable_numparse=True, colalign=_alignment(table)
    )
    caption = table.caption.translate(LATEX_ESCAPES).translate(LATEX_SYMBOLS)
    return "\n".join(
        (
            r"% Needs \usepackage{booktabs}, \usepackage{graphicx} and \usepackage{amssymb}.",
            r"\begin{table*}",
            rf"\caption{{The paper's {captions.lead(table.name)}: {caption}}}",
            rf"\label{{{table.name.replace('_', ':', 1)}}}",
            r"\centering",
            r"\medskip",
            *([r"\setlength{\tabcolsep}{3pt}"] if len(table.columns) > WIDE else []),
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            body.translate(LATEX_SYMBOLS),
            "}",
            r"\end{table*}",
            "",
        )
    )


def _record(row: Row) -> dict[str, str | int]:
    record = {"run": row.run}
    record |= {key: _description(value) for key, value in row.describe.items()}
    record["seeds"] = row.seeds
    for column, cell in row.cells.items():
        key = column.replace(" ", "_")
        record[key] = _fixed(cell.mean)
        if column != "gflops":
            record |= {f"{key}_sd": _fixed(cell.deviation), f"{key}_seeds": cell.seeds}
        record |= {f"{key}_paper": _fixed(cell.paper), f"{key}_diff": _fixed(cell.difference)}
    return record


def _description(value: str | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NONE_CSV if value == NONE else value


def _fixed(value: float | None) -> str:
    return NONE_CSV if value is None else f"{value:z.2f}"


def _headers(table: Table) -> list[str]:
    return [*(HEADERS[column] for column in table.describe), "Seeds", "", *(HEADERS.get(c, c) for c in table.columns)]


def _alignment(table: Table) -> list[str]:
    described = ["left" if column in LEFT else "center" for column in table.describe]
    return [*described, "center", "left", *("right" for _ in table.columns)]


def _ruled_lines(table: Table) -> list[list[str] | str]:
    """The lines with rules between the rows; quoted methods, of one line each, stand together."""
    ruled = []
    for index, row in enumerate(table.rows):
        if index and not (row.quoted and table.rows[index - 1].quoted):
            ruled.append(SEPARATING_LINE)
        ruled += _lines(row, table)
    return ruled


def _lines(row: Row, table: Table) -> list[list[str]]:
    """A run's lines: ours, the spread where it has a line of its own, the paper's, and the difference.

    A quoted method has one line; so has a run of which the paper prints nothing.
    """
    if row.quoted:
        return [_quoted_line(row)]
    wide = len(table.columns) > WIDE
    seeds = str(row.seeds) if row.seeds == table.planned_seeds else f"{row.seeds} of {table.planned_seeds}"
    first = [*_words(row), seeds]
    cells = list(row.cells.items())
    kinds = {"ours": [_ours(column, cell, row.seeds, spread=not wide) for column, cell in cells]}
    if wide and row.seeds > 1:
        kinds["±"] = [_number(cell.deviation, _decimals(column)) for column, cell in cells]
    if any(cell.paper is not None for _, cell in cells):
        kinds["paper"] = [_formatter(column)(cell.paper, _decimals(column)) for column, cell in cells]
        kinds["difference"] = [_signed(cell.difference, _decimals(column)) for column, cell in cells]
    return [[*(first if kind == "ours" else [""] * len(first)), kind, *values] for kind, values in kinds.items()]


def _words(row: Row) -> list[str]:
    return [value if isinstance(value, str) else MARK * value for value in row.describe.values()]


def _quoted_line(row: Row) -> list[str]:
    return [
        *_words(row),
        "",
        "quoted",
        *(_formatter(name)(cell.paper, _decimals(name)) for name, cell in row.cells.items()),
    ]


def _ours(column: str, cell: Cell, seeds: int, spread: bool) -> str:
    text = _formatter(column)(cell.mean, _decimals(column))
    if spread and cell.deviation is not None:
        text += f" ± {_number(cell.deviation, _decimals(column))}"
    if column != "gflops" and cell.seeds not in (0, seeds):
        text += f" ({cell.seeds} seed{'s' * (cell.seeds > 1)})"
    return text


def _formatter(column: str) -> Callable[[float | None, int], str]:
    return _signed if column.endswith("_gain") else _number


def _decimals(column: str) -> int:
    return 2 if column == "gflops" else 1


def _number(value: float | None, decimals: int) -> str:
    return NONE if value is None else f"{value:z.{decimals}f}".replace("-", "−")


def _signed(value: float | None, decimals: int) -> str:
    return NONE if value is None else f"{value:+z.{decimals}f}".replace("-", "−")
