"""Tables 1 to 6: each run's results over its seeds, beside the paper's numbers."""

from dataclasses import dataclass
from statistics import mean, stdev

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.registry import BACKBONES
from fbnet.config.runs import STAGES, TableConfig
from fbnet.config.study import Study
from fbnet.io.files import write_json, write_text
from fbnet.report import captions, layout
from fbnet.report.cells import Cell, Row, Table
from fbnet.report.reported import read_reported
from fbnet.report.results import Metrics, read_metrics
from fbnet.report.server_scores import Scores, read_server_scores


@dataclass(frozen=True)
class _Measured:
    """What there is of a run, by seed."""

    metrics: dict[int, Metrics]
    baseline: dict[int, Metrics]
    server: dict[int, float]
    """mIoU on the test set, in percent."""


def make_table(study: Study, table: str) -> Table:
    """One of the paper's tables for a study, from the metrics and server scores there are.

    Raises InputError for a table that the study does not have, for damaged metrics, and for damaged reported numbers
    and server scores.
    """
    config = study.table(table)
    classes = study.data_of_table(table).labels.classes
    columns = tuple(name for column in config.columns for name in (classes if column == "iou" else (column,)))
    reported = read_reported(table, config)
    scores = read_server_scores(study) if "test_miou" in columns else {}
    measured = {run: _measured(study, run, config, scores) for run in config.rows if run in study.runs}
    rows = tuple(
        _row(study, run, measured[run], config.describe, columns, reported.get(run, {}))
        if run in study.runs
        else _quoted_row(study, run, config.describe, columns, reported.get(run, {}))
        for run in config.rows
    )
    planned_seeds = len(study.settings.seeds)
    return Table(
        name=table,
        caption=captions.table_caption(
            study,
            config,
            [metrics for run in measured.values() for metrics in run.metrics.values()],
            complete=all(row.quoted or row.seeds == planned_seeds for row in rows),
        ),
        describe=config.describe,
        columns=columns,
        planned_seeds=planned_seeds,
        rows=rows,
    )


def write_table(study: Study, name: str) -> None:
    """Writes a table as csv and json for programs, md and tex for people. Raises InputError as `make_table` does."""
    table = make_table(study, name)
    contents = (layout.to_csv(table), layout.to_markdown(table), layout.to_latex(table))
    for path, content in zip(paths.table_files(study.name, name), contents, strict=True):
        write_text(path, content)
    write_json(paths.table_metrics_file(study.name, name), layout.to_metrics(table))


def describe(study: Study, run: str, column: str) -> str | bool:
    """What a description column says of a run, read off its parameters: words, or whether it is marked."""
    config = study.run(run)
    words = {
        "method": config.label,
        "venue": layout.NONE,
        "backbone": BACKBONES[config.backbone].title,
        "trained_on": " + ".join(study.training_splits(run)),
    }
    if column in words:
        return words[column]
    if column == "coarse":
        return bool(config.coarse_classes)
    if column == "mapillary":
        return any(study.run(link).data == "mapillary" for link in study.ancestors(run))
    if column in STAGES:
        return column in config.balance.stages
    return bool(config.balance.stages) and column in (config.balance.auxiliary, config.balance.modulator)


def _row(
    study: Study,
    run: str,
    measured: _Measured,
    described: tuple[str, ...],
    columns: tuple[str, ...],
    reported: dict[str, float],
) -> Row:
    # A class of another label set may be called the same, but it is not the paper's class.
    labels = study.data_of(run).labels
    classes = set(labels.classes) if labels is not CITYSCAPES else set()
    return Row(
        run=run,
        describe={column: describe(study, run, column) for column in described},
        seeds=len(measured.metrics if study.run(run).evaluated else measured.server),
        cells={
            column: _cell(_values(measured, column), None if column in classes else reported.get(column))
            for column in columns
        },
    )


def _quoted_row(
    study: Study, name: str, described: tuple[str, ...], columns: tuple[str, ...], reported: dict[str, float]
) -> Row:
    """The row of a method that the paper quotes; there is nothing of ours in it."""
    method = study.quoted[name]
    known = {
        "method": method.label,
        "venue": method.venue or layout.NONE,
        "backbone": method.backbone or layout.NONE,
        "trained_on": layout.NONE,
        "coarse": method.coarse,
        "mapillary": method.mapillary,
    }
    return Row(
        run=name,
        describe={column: known.get(column, False) for column in described},
        seeds=0,
        cells={column: _cell([], reported.get(column)) for column in columns},
        quoted=True,
    )


def _measured(study: Study, run: str, table: TableConfig, scores: Scores) -> _Measured:
    baseline = study.run(run).baseline
    return _Measured(
        metrics=_metrics(study, run, table),
        baseline=_metrics(study, baseline, table) if baseline in study.runs else {},
        server=scores.get(run, {}),
    )


def _metrics(study: Study, run: str, table: TableConfig) -> dict[int, Metrics]:
    """By seed; none of a run that is trained on the images to be evaluated on."""
    if not study.run(run).evaluated:
        return {}
    found = {seed: read_metrics(study, run, seed, table.evaluation) for seed in study.settings.seeds}
    return {seed: metrics for seed, metrics in found.items() if metrics is not None}


def _values(measured: _Measured, column: str) -> list[float]:
    """One column's value for each seed that has one."""
    if column == "test_miou":
        return list(measured.server.values())
    if column == "gflops":
        return [metrics.gflops for metrics in measured.metrics.values()][:1]  # the network's, the same for every seed
    if not column.endswith("_gain"):
        return list(_rates(measured.metrics, column).values())
    name = column.removesuffix("_gain")
    ours, theirs = _rates(measured.metrics, name), _rates(measured.baseline, name)
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
