"""Tables of a study: results of each run over its seeds, beside the paper's numbers in those of the paper."""

from collections.abc import Collection, Iterable

import pandas as pd

from fbnet import paths
from fbnet.config.evaluation import Scales
from fbnet.config.registry import backbone_title
from fbnet.config.runs import STAGES
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.io.files import write_json, write_text
from fbnet.report import captions, layout
from fbnet.report.alike import unlike_rows
from fbnet.report.cells import Cell, Row, Table
from fbnet.report.histories import read_history
from fbnet.report.reported import read_reported
from fbnet.report.results import Metrics, read_metrics
from fbnet.report.server_scores import read_server_scores
from fbnet.report.statistics import interval_half_width
from fbnet.report.table_captions import table_caption

MEANS = ["miou", "f_miou"]

MetricsBySeed = dict[int, Metrics]


def make_table(study: Study, name: str) -> Table:
    """Return a table of a study, made from the metrics and server scores that exist.

    On other classes than the paper's, it holds none of the paper's numbers.

    Raises:
        InputError: for a table that the study does not have, and for damaged metrics, reported numbers or scores.
    """
    config = study.table(name)
    data = study.data_of_table(name)
    columns = config.result_columns(data.labels.classes)
    compared = captions.of_paper_classes(data)
    reported = read_reported(name, config) if compared and not study.is_own(name) else {}
    scores = read_server_scores(study) if "test_miou" in columns else {}
    metrics = {run: _read_seeds(study, run, config.evaluation) for run in study.compared_runs(name)}
    rows = []
    for run in config.rows:
        if not compared and run not in study.runs:
            continue
        if run in study.runs:
            describe = {column: describe_run(study, run, column) for column in config.describe}
            seeds = len(metrics[run] if study.run(run).evaluated else scores.get(run, {}))
            values = _values(metrics[run], metrics.get(study.baseline_in(config, run), {}), scores.get(run, {}))
            if "training_minutes" in columns:
                values["training_minutes"] = pd.Series(_training_minutes(study, run, metrics[run]), dtype=float)
            planned = len(study.seeds_of(run))
        else:
            describe = {column: _describe_quoted(study, run, column) for column in config.describe}
            seeds, planned, values = 0, 0, pd.DataFrame()
        cells = {column: _cell(column, values, reported.get(run, {}).get(column)) for column in columns}
        rows.append(Row(run, describe, seeds, cells, planned, quoted=run not in study.runs))
    shown = [found for run in config.rows for found in metrics.get(run, {}).values()]
    complete = all(row.quoted or row.seeds == row.planned_seeds for row in rows)
    unlike = unlike_rows(study, config, metrics)
    return Table(
        name=name,
        caption=table_caption(study, name, shown, complete=complete, unlike=unlike),
        describe=config.describe,
        columns=columns,
        comparable=captions.comparable(study, data),
        own=study.is_own(name),
        rows=tuple(rows),
    )


def write_table(study: Study, name: str) -> None:
    """Write a table as CSV and JSON for programs, Markdown and LaTeX for people. Raises InputError as `make_table`."""
    table = make_table(study, name)
    contents = (layout.to_csv(table), layout.to_markdown(table), layout.to_latex(table))
    for path, content in zip(paths.table_files(study.name, name), contents, strict=True):
        write_text(path, content)
    write_json(paths.table_metrics_file(study.name, name), layout.to_metrics(table))


def measured_cells(
    study: Study, run: str, columns: Collection[str], scales: Scales = "single_scale"
) -> dict[str, Cell]:
    """Return the results of a run by column, over the seeds that are evaluated and without the paper's numbers.

    Raises:
        InputError: for damaged metrics.
    """
    metrics, baseline = (_read_seeds(study, name, scales) for name in (run, study.run(run).baseline))
    values = _values(metrics, baseline, {})
    return {column: _cell(column, values, None) for column in columns}


def describe_run(study: Study, run: str, column: str) -> str | bool:
    """Return the content of a run's description column: a text, or True for a check mark."""
    config = study.run(run)
    known = {
        "method": config.label,
        "venue": layout.NONE,
        "backbone": backbone_title(config.backbone),
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


def _read_seeds(study: Study, run: str | None, scales: Scales) -> MetricsBySeed:
    """Metrics by seed; empty for a run that is trained on the evaluation split or not in the study."""
    if run not in study.runs or not study.run(run).evaluated:
        return {}
    found = {seed: read_metrics(study, run, seed, scales) for seed in study.seeds_of(run)}
    return {seed: metrics for seed, metrics in found.items() if metrics is not None}


def _values(metrics: MetricsBySeed, baseline: MetricsBySeed, scores: dict[int, float]) -> pd.DataFrame:
    """All columns of a run, one line per seed, in percent; gains are paired by seed."""
    rates = _rates(metrics)
    gains = (rates - _rates(baseline)).add_suffix("_gain")
    sizes = {seed: {"gflops": found.gflops, "parameters": found.parameters / 1e6} for seed, found in metrics.items()}
    costs = pd.DataFrame.from_dict(sizes, orient="index", dtype=float)
    return pd.concat([rates, gains, costs, pd.Series(scores, name="test_miou", dtype=float)], axis=1)


def _training_minutes(study: Study, run: str, seeds: Iterable[int]) -> dict[int, float]:
    """Minutes of each training at the pace of its fastest epoch, which other work on the machine slowed least.

    Raises:
        InputError: for a history that is missing or damaged.
    """
    minutes = {}
    for seed in seeds:
        path = paths.history_file(study.name, run, seed)
        history = read_history(path)
        if history is None:
            raise InputError(f"{path}: no such file; restore it from the repository, or train again")
        minutes[seed] = len(history) * min(epoch.seconds for epoch in history) / 60
    return minutes


def _rates(metrics: MetricsBySeed) -> pd.DataFrame:
    rates = {seed: {"miou": found.miou, "f_miou": found.f_miou, **found.iou} for seed, found in metrics.items()}
    return 100 * pd.DataFrame.from_dict(rates, orient="index", dtype=float) if rates else pd.DataFrame(columns=MEANS)


def _cell(column: str, values: pd.DataFrame, paper: float | None) -> Cell:
    found = values[column].dropna() if column in values else pd.Series(dtype=float)
    if column in layout.COSTS:
        found = found.head(1)
    return Cell(
        mean=None if found.empty else float(found.mean()),
        deviation=float(found.std()) if len(found) > 1 else None,
        seeds=len(found),
        paper=paper,
        half_width=interval_half_width(found) if column.endswith("_gain") else None,
    )
