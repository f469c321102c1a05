"""Provenance chain of a study's tables: cell, metrics, checkpoint, data, commit."""

import csv
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from fbnet import paths
from fbnet.audit.findings import Failure
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.provenance import records as provenance
from fbnet.provenance.graph import SCALES, Kind, Node, Result, of_run
from fbnet.provenance.records import Provenance

Records = dict[Result, Provenance]


@dataclass(frozen=True)
class CellLink:
    """Origin of one of our numbers in a table."""

    value: str | None
    """Text in the CSV file; None if it is missing there."""
    read_from: tuple[str, ...]
    """Files from which the number is computed."""
    made_from: tuple[str, ...]
    """Results to which these files belong, or which the test server scored."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Everything between a study's tables and its data."""

    tables: dict[str, dict[str, dict[str, CellLink]]]
    """By table, row and column, without quoted rows."""
    results: dict[str, dict]
    """Files, inputs, parameters, commit, device and time by the result's name, without results that have no record."""


def read_records(study: Study, results: dict[Result, Node]) -> tuple[Records, dict[Result, Failure]]:
    """Return the existing records, and the failures to read damaged ones."""
    records, damaged = {}, {}
    for result in results:
        try:
            records[result] = provenance.read(study, result)
        except InputError as error:
            damaged[result] = Failure.from_error(results[result].record, error)
    return {result: record for result, record in records.items() if record is not None}, damaged


def runs_with(study: Study, kind: Kind, results: Container[Result]) -> list[tuple[str, int]]:
    """Return the runs and seeds of which the results have one of a kind."""
    pairs = [(run, seed) for run in study.runs for seed in study.seeds_of(run)]
    return [(run, seed) for run, seed in pairs if of_run(kind, run, seed) in results]


def make_chain(study: Study, results: dict[Result, Node], records: Records) -> Chain:
    """Return the chain of every cell of a study's tables."""
    return Chain(
        tables={name: _table(study, name, results) for name in study.tables},
        results={str(result): _link(results[result], record) for result, record in records.items()},
    )


def _link(node: Node, record: Provenance) -> dict:
    """Origin of one result, by its record."""
    files = [{"path": path, "sha256": sha256, "here": Path(path).is_file()} for path, sha256 in record.outputs.items()]
    return {
        "files": files,
        "made_from": list(map(str, node.results)),
        **{key: getattr(record, key) for key in ("parameters", "raw", "git_commit", "git_dirty")},
        **{key: record.environment.get(key) for key in ("device", "torch")},
        "ended": record.ended,
    }


def _table(study: Study, name: str, results: dict[Result, Node]) -> dict[str, dict[str, CellLink]]:
    classes = study.data_of_table(name).labels.classes
    columns = study.table(name).result_columns(classes)
    rows = [run for run in study.table(name).rows if run in study.runs]
    csv_cells = _read_csv(paths.table_files(study.name, name)[0])

    def link(run: str, column: str) -> CellLink:
        value = csv_cells.get(run, {}).get(column.replace(" ", "_"))
        return CellLink(value, *_sources(study, results, Result("table", name), run, column))

    return {run: {column: link(run, column) for column in columns} for run in rows}


def _sources(
    study: Study, results: dict[Result, Node], table: Result, run: str, column: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files from which a cell is computed, and the results that they belong to."""
    runs = (run, study.baseline_in(study.table(table.name), run)) if column.endswith("_gain") else (run,)
    kinds = ("export",) if column == "test_miou" else tuple(SCALES)
    known = {of_run(kind, name, seed) for kind in kinds for name in runs for seed in study.seeds_of(name)}
    sources = [result for result in results[table].inputs if result in known]
    files = [paths.SERVER_SCORES] if column == "test_miou" else [results[result].identity[0] for result in sources]
    return tuple(map(str, files)), tuple(map(str, sources))


def _read_csv(path: Path) -> dict[str, dict[str, str]]:
    """Cells of a table's CSV file by run and column; empty if it cannot be read."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row.get("run", ""): row for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
