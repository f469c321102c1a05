"""Audit of the paper's numbers: whatever its tables and text allow to be recomputed from each other.

A printed number is known to half of its last digit. A check agrees if some numbers within these bounds fit, so that
only what rounding cannot explain is called a contradiction.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from statistics import mean

from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.config.runs import RunConfig
from fbnet.report.quoted import Quote, Reported, read_quotes, rivals
from fbnet.report.reported import read_reported

PERCENT, GFLOPS = 0.05, 0.005
"""Half of the last digit of IoUs and their gains, and of GFLOPs."""
COUNTED_GFLOPS = 0.02
"""Tolerance of counted GFLOPs: the paper does not say which operations it counts."""
FLOAT = 1e-9
"""Tolerance for sums of decimal fractions, which are not exact in binary."""


@dataclass(frozen=True)
class Check:
    """A printed number beside the same number recomputed from others, in percent or GFLOPs."""

    check: str
    printed: str
    recomputed: float
    verdict: str
    """`agrees` or `contradicts`."""

    @property
    def agrees(self) -> bool:
        return self.verdict == "agrees"


def audit_paper() -> list[Check]:
    """Return every check of `params/reported/`, skipping numbers that are not printed.

    Raises:
        InputError: for a missing or damaged file of reported numbers.
    """
    declared = load_runs()
    reported = {name: read_reported(name, table) for name, table in declared.tables.items()}
    return [
        *class_means(reported),
        *gains(reported, declared.runs),
        *repeated(reported),
        *backgrounds(reported),
        *quotes(reported, declared.runs),
        *gflops(reported, declared.runs),
    ]


def summary(checks: list[Check]) -> dict:
    """Return the checks as plain values, and the number of each verdict."""
    agreeing = sum(check.agrees for check in checks)
    return {"checks": list(map(asdict, checks)), "agrees": agreeing, "contradicts": len(checks) - agreeing}


def class_means(reported: Reported) -> Iterator[Check]:
    """Check mIoU and f-mIoU of rows with class columns (Table 1) against the mean over classes.

    Both the mean of rounded values and the printed mean are off by at most half a digit.
    """
    for table, run, row in _rows(reported):
        for column, names in (("miou", CITYSCAPES.classes), ("f_miou", CITYSCAPES.foreground)):
            if {column, *names} <= row.keys():
                name = f"{table} {run}: mean of {len(names)} classes is {column}"
                yield _compare(name, row[column], _mean(row, names), 2 * PERCENT)


def gains(reported: Reported, runs: dict[str, RunConfig]) -> Iterator[Check]:
    """Check the gain columns (Tables 2 and 4) against the differences between rows."""
    for table, run, row in _rows(reported):
        baseline = reported[table].get(runs[run].baseline, {}) if run in runs else {}
        for column in ("miou", "f_miou"):
            if f"{column}_gain" in row and column in row and column in baseline:
                name = f"{table} {run}: {column}_gain over {runs[run].baseline}"
                yield _compare(name, row[f"{column}_gain"], row[column] - baseline[column], 3 * PERCENT)


def repeated(reported: Reported) -> Iterator[Check]:
    """Check that a run's number is the same in every table that prints it."""
    first = {}
    for table, run, row in _rows(reported):
        for column, value in row.items():
            earlier, expected = first.setdefault((run, column), (table, value))
            if earlier != table:
                yield _compare(f"{table} {run}: {column} as in {earlier}", value, expected, 0)


def backgrounds(reported: Reported) -> Iterator[Check]:
    """Check the mean IoU of the background classes that mIoU and f-mIoU imply, where classes are not printed.

    With C classes and F foreground classes it is (C mIoU - F f-mIoU) / (C - F). It hardly differs between rows, so it
    agrees if it lies in the range of the rows whose classes are printed (Table 1).
    """
    names = [name for name in CITYSCAPES.classes if name not in CITYSCAPES.foreground]
    known = [_mean(row, names) for _, _, row in _rows(reported) if set(names) <= row.keys()]
    classes, foreground = len(CITYSCAPES.classes), len(CITYSCAPES.foreground)
    slack = PERCENT * (classes + foreground) / (classes - foreground) + PERCENT
    for table, run, row in _rows(reported):
        if known and {"miou", "f_miou"} <= row.keys() and not set(names) & row.keys():
            implied = (classes * row["miou"] - foreground * row["f_miou"]) / (classes - foreground)
            agrees = min(known) - slack <= implied <= max(known) + slack
            name = f"{table} {run}: background mean left by miou and f_miou, classes elsewhere"
            yield _check(name, f"{min(known):.1f} to {max(known):.1f}", implied, agrees)


def quotes(reported: Reported, runs: dict[str, RunConfig]) -> Iterator[Check]:
    """Check the numbers in the text against the tables that they refer to."""
    for quote in read_quotes(reported, runs):
        recomputed, slack = _measure(quote, reported[quote.table], runs)
        printed, half_digit = float(quote.printed), 0.5 * 10 ** -len(quote.printed.partition(".")[2])
        if quote.measure in ("more_than_gains", "best"):
            agrees = printed > recomputed + FLOAT
        else:
            # A value may have more or fewer digits than the table's: one rounds to the other.
            allowed = max(half_digit, slack) if quote.measure == "value" else half_digit + slack
            agrees = abs(printed - recomputed) <= allowed + FLOAT
        yield _check(f"Sec. {quote.section}: {quote.claim}", quote.printed, recomputed, agrees)


def gflops(reported: Reported, runs: dict[str, RunConfig]) -> Iterator[Check]:
    """Check printed GFLOPs against our networks: totals of baselines, increments of other runs."""
    rows = [(table, run, row["gflops"]) for table, run, row in _rows(reported) if "gflops" in row]
    counted = _count([runs[run] for _, run, _ in rows])
    for table, run, printed in rows:
        baseline = runs[run].baseline
        if baseline is None:
            name = f"{table} {run}: gflops, counted by `fbnet flops`"
            yield _compare(name, printed, counted[run], COUNTED_GFLOPS)
        elif "gflops" in reported[table].get(baseline, {}):
            added = printed - reported[table][baseline]["gflops"]
            name = f"{table} {run}: gflops over {baseline}, counted by `fbnet flops`"
            yield _compare(name, added, counted[run] - counted[baseline], COUNTED_GFLOPS)


def _rows(reported: Reported) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Table, run and numbers of every printed row."""
    for table, rows in reported.items():
        for run, row in rows.items():
            yield table, run, row


def _compare(name: str, printed: float, recomputed: float, allowed: float) -> Check:
    return _check(name, str(round(printed, 2)), recomputed, abs(printed - recomputed) <= allowed + FLOAT)


def _check(name: str, printed: str, recomputed: float, agrees: bool) -> Check:
    return Check(name, printed, round(recomputed, 3), "agrees" if agrees else "contradicts")


def _mean(row: dict[str, float], names: Iterable[str]) -> float:
    return mean(row[name] for name in names)


def _measure(quote: Quote, rows: dict[str, dict[str, float]], runs: dict[str, RunConfig]) -> tuple[float, float]:
    """A quoted number as the table gives it, and its tolerance due to the table's rounding."""
    digit = GFLOPS if quote.column == "gflops" else PERCENT
    if quote.measure == "best":
        return max(rows[run][quote.column] for run in rivals(quote, rows)), 0
    values = [rows[run][quote.column] for run in quote.runs]
    if quote.measure == "value":
        return values[0], digit
    bases = [rows[runs[run].baseline][quote.column] for run in quote.runs]
    differences = [value - base for value, base in zip(values, bases, strict=True)]
    slack = 2 * digit
    if quote.measure == "gain":
        return max(differences), slack
    if quote.measure == "gain_percent":
        return 100 * differences[0] / bases[0], 100 * slack / bases[0]
    return sum(differences), slack * len(differences)


def _count(runs: list[RunConfig]) -> dict[str, float]:
    """GFLOPs of our networks by run. Imports torch, which nothing else here needs."""
    from fbnet.models.flops import count

    return {run.id: count(run, CITYSCAPES)[0] for run in runs}
