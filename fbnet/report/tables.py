"""Tables 1 to 4: each run's results over its seeds, beside the paper's numbers."""

from dataclasses import dataclass
from statistics import mean, stdev

from fbnet import paths
from fbnet.config import STAGES, RunConfig, Study
from fbnet.data.specs import CITYSCAPES
from fbnet.files import write_text
from fbnet.report import captions, layout
from fbnet.report.reported import read_reported
from fbnet.report.results import Metrics, read_metrics

BACKBONES = {"resnet50": "ResNet-50", "resnet101": "ResNet-101"}


@dataclass(frozen=True)
class Cell:
    """One result of one run, in percent (GFLOPs: in GFLOPs). None is a number that does not exist."""

    mean: float | None
    deviation: float | None
    """Sample standard deviation, from two seeds on."""
    seeds: int
    """Number of seeds that it is the mean of."""
    paper: float | None

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.mean is None or self.paper is None else self.mean - self.paper


@dataclass(frozen=True)
class Row:
    """One run of a table."""

    run: str
    describe: dict[str, str | bool]
    """What the run is, by description column; a bool is a mark."""
    seeds: int
    """Number of seeds that are evaluated."""
    cells: dict[str, Cell]
    """By column; `iou` stands as one column a class, by class name."""
    quoted: bool = False
    """Whether it is a method of others, with nothing but the number that the paper quotes."""


@dataclass(frozen=True)
class Table:
    """A table with everything that its files show."""

    name: str
    caption: str
    describe: tuple[str, ...]
    columns: tuple[str, ...]
    planned_seeds: int
    rows: tuple[Row, ...]


def make_table(study: Study, table: str) -> Table:
    """One of the paper's tables for a study, from the metrics there are.

    Raises InputError for a table that the study does not have, for damaged metrics and for damaged reported numbers.
    """
    config = study.table(table)
    classes = study.data_of_table(table).labels.classes
    columns = tuple(name for column in config.columns for name in (classes if column == "iou" else (column,)))
    reported = read_reported(table, config)
    results = {run: _results(study, run) for run in config.rows if run in study.runs}
    return Table(
        name=table,
        caption=captions.table_caption(study, config, [entry for run in results.values() for entry in run.values()]),
        describe=config.describe,
        columns=columns,
        planned_seeds=len(study.settings.seeds),
        rows=tuple(
            _row(study, run, results[run], config.describe, columns, reported.get(run, {}))
            if run in study.runs
            else _quoted_row(study, run, config.describe, columns, reported.get(run, {}))
            for run in config.rows
        ),
    )


def write_table(study: Study, name: str) -> None:
    """Writes a table as csv (for programs), md and tex (for people). Raises InputError as `make_table` does."""
    table = make_table(study, name)
    contents = (layout.to_csv(table), layout.to_markdown(table), layout.to_latex(table))
    for path, content in zip(paths.table_files(study.name, name), contents, strict=True):
        write_text(path, content)


def describe(run: RunConfig, column: str) -> str | bool:
    """What a description column says of a run, read off its parameters: words, or whether it is marked."""
    balance = run.balance
    if column == "method":
        return run.label
    if column == "backbone":
        return BACKBONES[run.backbone]
    if column in STAGES:
        return column in balance.stages
    return bool(balance.stages) and column in (balance.auxiliary, balance.modulator)


def _row(
    study: Study,
    run: str,
    results: dict[int, Metrics],
    described: tuple[str, ...],
    columns: tuple[str, ...],
    reported: dict[str, float],
) -> Row:
    return Row(
        run=run,
        describe={column: describe(study.run(run), column) for column in described},
        seeds=len(results),
        cells=_cells(study, run, results, columns, reported),
    )


def _quoted_row(
    study: Study, name: str, described: tuple[str, ...], columns: tuple[str, ...], reported: dict[str, float]
) -> Row:
    """The row of a method that the paper quotes; there is nothing of ours in it."""
    method = study.quoted[name]
    known = {"method": method.label, "backbone": method.backbone or layout.NONE}
    return Row(
        run=name,
        describe={column: known.get(column, False) for column in described},
        seeds=0,
        cells={column: _cell([], reported.get(column)) for column in columns},
        quoted=True,
    )


def _results(study: Study, run: str) -> dict[int, Metrics]:
    found = {seed: read_metrics(study, run, seed) for seed in study.settings.seeds}
    return {seed: metrics for seed, metrics in found.items() if metrics is not None}


def _cells(
    study: Study, run: str, results: dict[int, Metrics], columns: tuple[str, ...], reported: dict[str, float]
) -> dict[str, Cell]:
    baseline_run = study.run(run).baseline
    baseline = _results(study, baseline_run) if baseline_run else {}
    # A class of another label set may be called the same, but it is not the paper's class.
    labels = study.data_of(run).labels
    classes = set(labels.classes) if labels is not CITYSCAPES else set()
    return {
        column: _cell(_values(results, baseline, column), None if column in classes else reported.get(column))
        for column in columns
    }


def _values(results: dict[int, Metrics], baseline: dict[int, Metrics], column: str) -> list[float]:
    """One column's value for each seed that has one."""
    if column == "gflops":
        return [metrics.gflops for metrics in results.values()][:1]  # the network's, the same for every seed
    if not column.endswith("_gain"):
        return list(_rates(results, column).values())
    ours, theirs = (_rates(entries, column.removesuffix("_gain")) for entries in (results, baseline))
    return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]


def _rates(results: dict[int, Metrics], column: str) -> dict[int, float]:
    """miou, f_miou or a class's IoU in percent, by seed, without the seeds where it is not defined."""
    rates = {
        seed: metrics.iou[column] if column in metrics.iou else getattr(metrics, column)
        for seed, metrics in results.items()
    }
    return {seed: 100 * rate for seed, rate in rates.items() if rate is not None}


def _cell(values: list[float], paper: float | None) -> Cell:
    return Cell(
        mean=mean(values) if values else None,
        deviation=stdev(values) if len(values) > 1 else None,
        seeds=len(values),
        paper=paper,
    )
