"""What the paper's text says of its tables, transcribed into `params/reported/quoted.csv`."""

import math
from dataclasses import dataclass
from pathlib import Path

from fbnet import paths
from fbnet.config.runs import RunConfig
from fbnet.errors import InputError
from fbnet.report.reported import read_lines

HEADER = ["claim", "section", "printed", "measure", "table", "column", "runs"]
MEASURES = ("value", "gain", "gain_percent", "more_than_gains", "best")

Reported = dict[str, dict[str, dict[str, float]]]
"""The paper's numbers by table, run and column, see `fbnet.report.reported`."""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A number in the paper's text, and what it is of which table."""

    claim: str
    section: str
    printed: str
    """As the text has it: its last digit says how far it is rounded."""
    measure: str
    """The value of a run; its gain over its baseline, of several runs the largest; a run's gain in percent of its
    baseline; a number that is more than the gains of several runs together; or the value of the first run, which is
    above those of the others, where it stands alone of all others in the table."""
    table: str
    column: str
    runs: tuple[str, ...]


def read_quotes(reported: Reported, runs: dict[str, RunConfig]) -> list[Quote]:
    """The quoted numbers, in the order of the file.

    Raises InputError, with file and line, for another header, another measure, a printed value that is not a number,
    and for numbers that the tables do not have.
    """
    path = paths.reported_file("quoted")
    lines = enumerate(read_lines(path, HEADER), start=2)
    return [_quote(cells, reported, runs, path, number) for number, cells in lines]


def _quote(cells: list[str], reported: Reported, runs: dict[str, RunConfig], path: Path, line: int) -> Quote:
    place = f"{path}: line {line}"
    if len(cells) != len(HEADER):
        raise InputError(f"{place}: must hold {len(HEADER)} cells, not {len(cells)}")
    fields = dict(zip(HEADER, cells, strict=True))
    quote = Quote(**fields | {"runs": tuple(fields["runs"].split())})
    if quote.measure not in MEASURES:
        raise InputError(f"{place}: no measure {quote.measure!r}; choose from {', '.join(MEASURES)}")
    if not _is_number(quote.printed):
        raise InputError(f"{place}: printed: must be a number, not {quote.printed!r}")
    if not quote.runs:
        raise InputError(f"{place}: runs: is empty; name one or more runs")
    for run in _needed(quote, runs, place):
        if quote.column not in reported.get(quote.table, {}).get(run, {}):
            raise InputError(f"{place}: {quote.table} has no {quote.column!r} of {run}; name a number that it has")
    if quote.measure == "best" and not rivals(quote, reported[quote.table]):
        raise InputError(f"{place}: {quote.runs[0]} stands alone in {quote.table}; name a table with others")
    return quote


def rivals(quote: Quote, rows: dict[str, dict[str, float]]) -> list[str]:
    """The runs and methods of a table that the first run of a `best` is compared with."""
    first, *others = quote.runs
    return others or [run for run, row in rows.items() if run != first and quote.column in row]


def _needed(quote: Quote, runs: dict[str, RunConfig], place: str) -> list[str]:
    """The runs whose numbers the measure needs: with their baselines where it is of gains."""
    if quote.measure in ("value", "best"):
        return list(quote.runs)
    for run in quote.runs:
        if run not in runs or runs[run].baseline is None:
            raise InputError(f"{place}: {run!r} has no baseline in {paths.RUNS_FILE}; name a run that has a gain")
    return [*quote.runs, *(runs[run].baseline for run in quote.runs)]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
