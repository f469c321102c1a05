"""Format tables: CSV for programs, Markdown and LaTeX for people."""

import pandas as pd
from tabulate import SEPARATING_LINE, tabulate

from fbnet.config.runs import STAGES
from fbnet.report import captions
from fbnet.report.cells import Cell, Row, Table
from fbnet.report.numbers import typeset

NONE = "–"
NONE_CSV = "-"
MARK = "✓"
HEADERS = {
    "method": "Method",
    "venue": "Venue",
    "backbone": "Backbone",
    **{stage: stage.capitalize() for stage in STAGES},
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
    "parameters": "Parameters (M)",
    "training_minutes": "Training (min)",
    # Classes as abbreviated in the paper's Table 1; others keep their names.
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
COSTS = ("gflops", "parameters")
"""Columns that are the same for every seed."""
LEFT = ("method", "venue", "backbone", "trained_on")
WIDE = 10  # tables with more columns show the spread below the mean instead of behind it
LATEX_ESCAPES = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {letter: f"\\{letter}" for letter in "&%$#_{}"}
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
    """Return one CSV line per row: numbers to two decimals, `-` where there is none, spaces in column names as `_`."""
    records = [_record(row, table.comparable) for row in table.rows]
    return pd.DataFrame(records).to_csv(index=False, lineterminator="\n")


def to_metrics(table: Table) -> dict[str, dict[str, float]]:
    """Our means by run and column, rounded to two decimals; missing ones are left out."""
    return {
        row.run: {
            column.replace(" ", "_"): round(cell.mean, 2) for column, cell in row.cells.items() if cell.mean is not None
        }
        for row in table.rows
        if not row.quoted
    }


def to_markdown(table: Table) -> str:
    """Return caption and table, see `row_lines` for the lines of a row."""
    return f"**{captions.display_name(table.name)}.** {table.caption}\n\n{_tabulate(table, 'pipe')}\n"


def to_latex(table: Table) -> str:
    """Return a floating table to \\input into a document, which numbers it by its own counter."""
    whose = "" if table.own else "The paper's "
    caption = table.caption.translate(LATEX_ESCAPES).translate(LATEX_SYMBOLS)
    return "\n".join(
        (
            r"% Needs \usepackage{booktabs}, \usepackage{graphicx} and \usepackage{amssymb}.",
            r"\begin{table*}",
            rf"\caption{{{whose}{captions.display_name(table.name)}: {caption}}}",
            rf"\label{{{table.name.replace('_', ':', 1)}}}",
            r"\centering",
            r"\medskip",
            *([r"\setlength{\tabcolsep}{3pt}"] if len(table.columns) > WIDE else []),
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            _tabulate(table, "latex_booktabs", ruled=True).translate(LATEX_SYMBOLS),
            "}",
            r"\end{table*}",
            "",
        )
    )


def headers(table: Table) -> list[str]:
    """Column headers: descriptions, seeds, results."""
    return [*(HEADERS[column] for column in table.describe), "Seeds", *map(_header, table.columns)]


def _header(column: str) -> str:
    if column in HEADERS:
        return HEADERS[column]
    name = column.removesuffix("_gain")
    return f"{HEADERS.get(name, name)}{' gain' * (name != column)}"


def alignments(table: Table) -> list[str]:
    """`left`, `center` or `right` for each header."""
    described = ["left" if column in LEFT else "center" for column in table.describe]
    return [*described, "center", *("right" for _ in table.columns)]


def row_lines(row: Row, table: Table) -> dict[str, list[str]]:
    """Lines of a row by kind, each with one text per header.

    The kinds are `ours`, in wide tables `±` (the spread) and `95 %` (the interval of gains), `paper` where the paper
    prints a number, and `difference` where it is comparable; or only `quoted`.
    """
    described = [value if isinstance(value, str) else MARK * value for value in row.describe.values()]
    blank = [""] * (len(described) + 1)
    cells = row.cells.items()
    paper = [_result(column, cell.paper) for column, cell in cells]
    if row.quoted:
        return {"quoted": [*described, "", *paper]}
    wide = len(table.columns) > WIDE
    seeds = str(row.seeds) if row.seeds == row.planned_seeds else f"{row.seeds} of {row.planned_seeds}"
    lines = {"ours": [*described, seeds, *(_ours(column, cell, row.seeds, spread=not wide) for column, cell in cells)]}
    if wide and row.seeds > 1:
        lines["±"] = [*blank, *(_number(column, cell.deviation) for column, cell in cells)]
        if any(cell.half_width is not None for cell in row.cells.values()):
            lines["95 %"] = [*blank, *(_interval(column, cell) for column, cell in cells)]
    if any(cell.paper is not None for cell in row.cells.values()):
        lines["paper"] = [*blank, *paper]
        if table.comparable:
            lines["difference"] = [*blank, *(_number(column, cell.difference, signed=True) for column, cell in cells)]
    return lines


def cell_text(column: str, cell: Cell) -> str:
    """Return a result with its spread and interval, as in a row of tables."""
    return _ours(column, cell, cell.seeds, spread=True)


def _record(row: Row, comparable: bool) -> dict[str, str | int]:
    texts = {True: "yes", False: "no", NONE: NONE_CSV}
    described = {key: texts.get(value, value) for key, value in row.describe.items()}
    record = {"run": row.run, **described, "seeds": row.seeds}
    for column, cell in row.cells.items():
        key = column.replace(" ", "_")
        record[key] = _csv_number(cell.mean)
        if column.endswith("_gain"):
            low, high = map(_csv_number, cell.interval)
            record |= {f"{key}_low": low, f"{key}_high": high}
        if column not in COSTS:
            record |= {f"{key}_sd": _csv_number(cell.deviation), f"{key}_seeds": cell.seeds}
        difference = cell.difference if comparable else None
        record |= {f"{key}_paper": _csv_number(cell.paper), f"{key}_diff": _csv_number(difference)}
    return record


def _csv_number(value: float | None) -> str:
    return NONE_CSV if value is None else f"{value:z.2f}"


def _tabulate(table: Table, style: str, *, ruled: bool = False) -> str:
    """All lines with a column for their kind; `ruled` separates rows, except quoted ones of one line each."""
    kind_column = len(table.describe) + 1

    def insert(cells: list[str], kind: str) -> list[str]:
        return [*cells[:kind_column], kind, *cells[kind_column:]]

    lines = []
    for index, row in enumerate(table.rows):
        if ruled and index and not (row.quoted and table.rows[index - 1].quoted):
            lines.append(SEPARATING_LINE)
        lines += [insert(cells, kind) for kind, cells in row_lines(row, table).items()]
    colalign = insert(alignments(table), "left")
    return tabulate(lines, insert(headers(table), ""), style, disable_numparse=True, colalign=colalign)


def _ours(column: str, cell: Cell, seeds: int, spread: bool) -> str:
    text = _result(column, cell.mean)
    if spread and cell.deviation is not None:
        text += f" ± {_number(column, cell.deviation)}"
    if spread and cell.half_width is not None:
        text += f" {_interval(column, cell)}"
    if column not in COSTS and cell.seeds not in (0, seeds):
        text += f" ({cell.seeds} seed{'s' * (cell.seeds > 1)})"
    return text


def _interval(column: str, cell: Cell) -> str:
    if cell.half_width is None:
        return ""
    return f"[{', '.join(_result(column, end) for end in cell.interval)}]"


def _result(column: str, value: float | None) -> str:
    return _number(column, value, signed=column.endswith("_gain"))


def _number(column: str, value: float | None, *, signed: bool = False) -> str:
    return NONE if value is None else typeset(value, 2 if column in COSTS else 1, signed=signed)
