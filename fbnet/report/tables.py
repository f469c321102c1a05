"""Tables 1 to 6: results of each run over its seeds, beside the paper's numbers."""

import pandas as pd

from fbnet import paths
from fbnet.config.registry import BACKBONES
from fbnet.config.runs import STAGES, TableConfig
from fbnet.config.study import Study
from fbnet.io.files import write_json, write_text
from fbnet.report import captions, layout
from fbnet.report.cells import Cell, Row, Table
from fbnet.report.reported import read_reported
from fbnet.report.results import Metrics, read_metrics
from fbnet.report.server_scores import read_server_scores
from fbnet.report.statistics import interval_half_width

MEANS = ["miou", "f_miou"]

MetricsBySeed = dict[int, Metrics]


def make_table(study: Study, name: str) -> Table:
    """Return one of the paper's tables, made from the metrics and server scores that exist.

    On other classes than the paper's, it holds none of the paper's numbers.

    Raises:
        InputError: for a table that the study does not have, and for damaged metrics, reported numbers or scores.
    """
    config = study.table(name)
    data = study.data_of_table(name)
    columns = tuple(part for key in config.columns for part in (data.labels.classes if key == "iou" else (key,)))
    compared = captions.of_paper_classes(data)
    reported = read_reported(name, config) if compared else {}
    scores = read_server_scores(study) if "test_miou" in columns else {}
    metrics = {run: _read_seeds(study, run, config) for run in study.compared_runs(name)}
    rows = []
    for run in config.rows:
        if not compared and run not in study.runs:
            continue
        if run in study.runs:
            describe = {column: describe_run(study, run, column) for column in config.describe}
            seeds = len(metrics[run] if study.run(run).evaluated else scores.get(run, {}))
            values = _values(metrics[run], metrics.get(study.run(run).baseline, {}), scores.get(run, {}))
        else:
            describe = {column: _describe_quoted(study, run, column) for column in config.describe}
            seeds, values = 0, pd.DataFrame()
        cells = {column: _cell(column, values, reported.get(run, {}).get(column)) for column in columns}
        rows.append(Row(run, describe, seeds, cells, quoted=run not in study.runs))
    planned_seeds = len(study.settings.seeds)
    shown = [found for run in config.rows for found in metrics.get(run, {}).values()]
    complete = all(row.quoted or row.seeds == planned_seeds for row in rows)
    return Table(
        name=name,
        caption=captions.table_caption(study, config, shown, complete=complete),
        describe=config.describe,
        columns=columns,
        planned_seeds=planned_seeds,
        comparable=captions.comparable(study, data),
        rows=tuple(rows),
    )


def write_table(study: Study, name: str) -> None:
    """Write a table as CSV and JSON for programs, Markdown and LaTeX for people. Raises InputError as `make_table`."""
    table = make_table(study, name)
    contents = (layout.to_csv(table), layout.to_markdown(table), layout.to_latex(table))
    for path, content in zip(paths.table_files(study.name, name), contents, strict=True):
        write_text(path, content)
    write_json(paths.table_metrics_file(study.name, name), layout.to_metrics(table))


def describe_run(study: Study, run: str, column: str) -> str | bool:
    """Return the content of a run's description column: a text, or True for a check mark."""
    config = study.run(run)
    known = {
        "method": config.label,
        "venue": layout.NONE,
        "backbone": BACKBONES[config.backbone].title,
        "trained_on": " + ".join(study.training_splits(run)),
        "coarse": bool(config.coarse_classes),
        "mapillary": any(study.run(ancestor).data == "mapillary" for ancestor in study.ancestors(run)),
        **{stage: stage in config.balance.stages for stage in STAGES},
    }
    if column in known:
        return known[column]
    return bool(config.balance.stages) and column in (config.balance.auxiliary, config.balance.modulator)


def _describe_quoted(study: Study, name: str, column: str) -> str | bool:
    method = study.quoted[name]
    known = {
        "method": method.label,
        "venue": method.venue or layout.NONE,
        "backbone": method.backbone or layout.NONE,
        "trained_on": layout.NONE,
        "coarse": method.coarse,
        "mapillary": method.mapillary,
    }
    return known.get(column, False)


def _read_seeds(study: Study, run: str, table: TableConfig) -> MetricsBySeed:
    """Metrics by seed; empty for a run that is trained on the evaluation split."""
    if not study.run(run).evaluated:
        return {}
    found = {seed: read_metrics(study, run, seed, table.evaluation) for seed in study.settings.seeds}
    return {seed: metrics for seed, metrics in found.items() if metrics is not None}


def _values(metrics: MetricsBySeed, baseline: MetricsBySeed, scores: dict[int, float]) -> pd.DataFrame:
    """All columns of a run, one line per seed, in percent; gains are paired by seed."""
    rates = _rates(metrics)
    gains = (rates[MEANS] - _rates(baseline)[MEANS]).add_suffix("_gain")
    gflops = pd.Series({seed: found.gflops for seed, found in metrics.items()}, name="gflops", dtype=float)
    return pd.concat([rates, gains, gflops, pd.Series(scores, name="test_miou", dtype=float)], axis=1)


def _rates(metrics: MetricsBySeed) -> pd.DataFrame:
    rates = {seed: {"miou": found.miou, "f_miou": found.f_miou, **found.iou} for seed, found in metrics.items()}
    return 100 * pd.DataFrame.from_dict(rates, orient="index", dtype=float) if rates else pd.DataFrame(columns=MEANS)


def _cell(column: str, values: pd.DataFrame, paper: float | None) -> Cell:
    found = values[column].dropna() if column in values else pd.Series(dtype=float)
    if column == "gflops":
        found = found.head(1)  # the same for every seed
    return Cell(
        mean=None if found.empty else float(found.mean()),
        deviation=float(found.std()) if len(found) > 1 else None,
        seeds=len(found),
        paper=paper,
        half_width=interval_half_width(found) if column.endswith("_gain") else None,
    )
