"""Numbers in the paper's text, transcribed into `params/reported/quoted.csv` with the table cells they speak of."""

import math
from dataclasses import dataclass

from fbnet import paths
from fbnet.config.runs import RunConfig
from fbnet.errors import InputError
from fbnet.report.reported import parse_number, read_lines

HEADER = ["claim", "section", "printed", "measure", "table", "column", "runs"]
MEASURES = ("value", "gain", "gain_percent", "more_than_gains", "best")

Reported = dict[str, dict[str, dict[str, float]]]
"""The paper's numbers by table, run and column, see `fbnet.report.reported`."""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A number in the paper's text, and how it follows from a table."""

    claim: str
    section: str
    printed: str
    """The number as printed; its last digit tells how it is rounded."""
    measure: str
    """`value` of a run; `gain` over its baseline, the largest of several runs; `gain_percent` of the baseline;
    `more_than_gains`, above the sum of the runs' gains; `best`, the first run's value above those of the other runs,
    or of all others in the table if it is the only one."""
    table: str
    column: str
    runs: tuple[str, ...]


def read_quotes(reported: Reported, runs: dict[str, RunConfig]) -> list[Quote]:
    """Return the quoted numbers in the order of the file.

    Raises:
        InputError: with file and line, for another header, an unknown measure, a printed value that is not a number,
            and numbers that the tables do not have.
    """
    lines = read_lines(paths.reported_file("quoted"), HEADER)
    return [_quote(cells, reported, runs, line) for line, cells in lines]


def rivals(quote: Quote, rows: dict[str, dict[str, float]]) -> list[str]:
    """Return the runs and methods of a table that a `best` run is compared with."""
    first, *others = quote.runs
    return others or [run for run, row in rows.items() if run != first and quote.column in row]


def _quote(cells: list[str], reported: Reported, runs: dict[str, RunConfig], line: str) -> Quote:
    fields = dict(zip(HEADER, cells, strict=True))
    quote = Quote(**fields | {"runs": tuple(fields["runs"].split())})
    if quote.measure not in MEASURES:
        raise InputError(f"{line}: no measure {quote.measure!r}; choose from {', '.join(MEASURES)}")
    if not math.isfinite(parse_number(quote.printed)):
        raise InputError(f"{line}: printed: must be a number, not {quote.printed!r}")
    if not quote.runs:
        raise InputError(f"{line}: runs: is empty; name one or more runs")
    for run in _needed_runs(quote, runs, line):
        if quote.column not in reported.get(quote.table, {}).get(run, {}):
            raise InputError(f"{line}: {quote.table} has no {quote.column!r} of {run}; name a number that it has")
    if quote.measure == "best" and not rivals(quote, reported[quote.table]):
        raise InputError(f"{line}: {quote.runs[0]} stands alone in {quote.table}; name a table with others")
    return quote


def _needed_runs(quote: Quote, runs: dict[str, RunConfig], line: str) -> list[str]:
    """Runs whose numbers the measure needs, for gains with their baselines."""
    if quote.measure in ("value", "best"):
        return list(quote.runs)
    for run in quote.runs:
        if run not in runs or runs[run].baseline is None:
            raise InputError(f"{line}: {run!r} has no baseline in {paths.RUNS_FILE}; name a run that has a gain")
    return [*quote.runs, *(runs[run].baseline for run in quote.runs)]
