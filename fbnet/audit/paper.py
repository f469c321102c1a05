"""Do the paper's own numbers agree with each other? Recomputes whatever its tables and its text let recompute.

A printed number is known up to half of its last digit. A check agrees if some numbers within these bounds fit, so
that only what rounding cannot explain is called a contradiction.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import mean

from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.config.runs import RunConfig
from fbnet.report.quoted import Quote, Reported, read_quotes, rivals
from fbnet.report.reported import read_reported

PERCENT, GFLOPS = 0.05, 0.005
"""Half of the last digit of IoUs and their gains, and of GFLOPs."""
COUNTED_GFLOPS = 0.02
"""How far a count may be off: the paper does not say which operations it counts."""
FLOAT = 1e-9
"""For sums of decimal fractions that are not exact in binary."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One number of the paper, and the same number made from others."""

    check: str
    printed: str
    recomputed: float
    """In percent; GFLOPs in GFLOPs."""
    agrees: bool

    @property
    def verdict(self) -> str:
        return "agrees" if self.agrees else "contradicts"


def audit_paper() -> list[Check]:
    """Every check of the numbers in `params/reported/`; numbers that are not printed are passed over.

    Raises InputError for a file of them that is missing or damaged.
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
    """The checks as plain values with their verdicts, and the number of each verdict."""
    return {
        "checks": [
            {
                "check": check.check,
                "printed": check.printed,
                "recomputed": check.recomputed,
                "verdict": check.verdict,
            }
            for check in checks
        ],
        "agrees": sum(check.agrees for check in checks),
        "contradicts": sum(not check.agrees for check in checks),
    }


def class_means(reported: Reported) -> list[Check]:
    """mIoU and f-mIoU of rows with class columns (Table 1) against the mean of their classes.

    The mean of rounded values is off by at most what each of them is, and the printed mean by as much again.
    """
    return [
        _compared(
            f"{table} {run}: mean of {len(names)} classes is {column}", row[column], _mean(row, names), 2 * PERCENT
        )
        for table, run, row in _rows(reported)
        for column, names in (("miou", CITYSCAPES.classes), ("f_miou", CITYSCAPES.foreground))
        if {column, *names} <= row.keys()
    ]


def gains(reported: Reported, runs: dict[str, RunConfig]) -> list[Check]:
    """The gain columns (Tables 2 and 4) against the differences of their rows."""
    checks = []
    for table, run, row in _rows(reported):
        baseline = reported[table].get(runs[run].baseline, {}) if run in runs else {}
        for column in ("miou", "f_miou"):
            if f"{column}_gain" in row and column in row and column in baseline:
                name = f"{table} {run}: {column}_gain over {runs[run].baseline}"
                checks.append(_compared(name, row[f"{column}_gain"], row[column] - baseline[column], 3 * PERCENT))
    return checks


def repeated(reported: Reported) -> list[Check]:
    """Numbers of a run that an earlier table has too: they must be the same to the digit."""
    checks, first = [], {}
    for table, run, row in _rows(reported):
        for column, value in row.items():
            earlier, expected = first.setdefault((run, column), (table, value))
            if earlier != table:
                checks.append(_compared(f"{table} {run}: {column} as in {earlier}", value, expected, 0))
    return checks


def backgrounds(reported: Reported) -> list[Check]:
    """The mean IoU of the background classes that mIoU and f-mIoU leave, where the classes are not printed.

    With C classes and F foreground classes it is (C mIoU - F f-mIoU) / (C - F). Backgrounds hardly differ from row to
    row, so that it agrees if it is within the range of the rows whose classes are printed (Table 1).
    """
    names = [name for name in CITYSCAPES.classes if name not in CITYSCAPES.foreground]
    known = [_mean(row, names) for _, _, row in _rows(reported) if set(names) <= row.keys()]
    if not known:
        return []
    classes, foreground = len(CITYSCAPES.classes), len(CITYSCAPES.foreground)
    slack = PERCENT * (classes + foreground) / (classes - foreground) + PERCENT
    checks = []
    for table, run, row in _rows(reported):
        if {"miou", "f_miou"} <= row.keys() and not set(names) & row.keys():
            left = (classes * row["miou"] - foreground * row["f_miou"]) / (classes - foreground)
            name = f"{table} {run}: background mean left by miou and f_miou, classes elsewhere"
            printed = f"{min(known):.1f} to {max(known):.1f}"
            agrees = min(known) - slack <= left <= max(known) + slack
            checks.append(Check(check=name, printed=printed, recomputed=round(left, 3), agrees=agrees))
    return checks


def quotes(reported: Reported, runs: dict[str, RunConfig]) -> list[Check]:
    """The numbers of the text against the tables that it speaks of."""
    checks = []
    for quote in read_quotes(reported, runs):
        recomputed, slack = _measured(quote, reported[quote.table], runs)
        printed = float(quote.printed)
        if quote.measure in ("more_than_gains", "best"):
            agrees = printed > recomputed + FLOAT
        elif quote.measure == "value":
            # The text may have more digits than the table, or fewer: the one rounds to the other.
            agrees = abs(printed - recomputed) <= max(_half_digit(quote.printed), slack) + FLOAT
        else:
            agrees = abs(printed - recomputed) <= _half_digit(quote.printed) + slack + FLOAT
        name = f"Sec. {quote.section}: {quote.claim}"
        checks.append(Check(check=name, printed=quote.printed, recomputed=round(recomputed, 3), agrees=agrees))
    return checks


def gflops(reported: Reported, runs: dict[str, RunConfig]) -> list[Check]:
    """Printed GFLOPs against those of our networks: of baselines as they are, of others what they add to theirs."""
    rows = [(table, run, row["gflops"]) for table, run, row in _rows(reported) if "gflops" in row]
    counted = _counted([runs[run] for _, run, _ in rows])
    checks = []
    for table, run, printed in rows:
        baseline = runs[run].baseline
        if baseline is None:
            name = f"{table} {run}: gflops, counted by `fbnet flops`"
            checks.append(_compared(name, printed, counted[run], COUNTED_GFLOPS))
        elif "gflops" in reported[table].get(baseline, {}):
            added = printed - reported[table][baseline]["gflops"]
            name = f"{table} {run}: gflops over {baseline}, counted by `fbnet flops`"
            checks.append(_compared(name, added, counted[run] - counted[baseline], COUNTED_GFLOPS))
    return checks


def _rows(reported: Reported) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Table, run and numbers of every printed row."""
    for table, rows in reported.items():
        for run, row in rows.items():
            yield table, run, row


def _compared(name: str, printed: float, recomputed: float, allowed: float) -> Check:
    agrees = abs(printed - recomputed) <= allowed + FLOAT
    return Check(check=name, printed=str(round(printed, 2)), recomputed=round(recomputed, 3), agrees=agrees)


def _mean(row: dict[str, float], names: Iterable[str]) -> float:
    return mean(row[name] for name in names)


def _measured(quote: Quote, rows: dict[str, dict[str, float]], runs: dict[str, RunConfig]) -> tuple[float, float]:
    """What the table says of a quoted number, and how far the table's own rounding lets that be off."""
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


def _half_digit(text: str) -> float:
    """Half of the last digit of a printed number: 0.05 for "2.9"."""
    return 0.5 * 10 ** -len(text.partition(".")[2])


def _counted(runs: list[RunConfig]) -> dict[str, float]:
    """Our GFLOPs of each run. Imports torch, which nothing else here needs."""
    from fbnet.models.flops import count

    return {run.id: count(run, CITYSCAPES)[0] for run in runs}
