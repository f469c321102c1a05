"""What a study's tables and figures are made from, as the records have it: cell, metrics, checkpoint, data, commit."""

import csv
from dataclasses import dataclass
from pathlib import Path

from fbnet import paths
from fbnet.audit.findings import Break
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.provenance import records as provenance
from fbnet.provenance.graph import SCALES, Node, Result, of_run
from fbnet.provenance.records import Provenance

Records = dict[Result, Provenance]


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a result."""

    path: str
    sha256: str
    """As recorded."""
    here: bool


@dataclass(frozen=True, kw_only=True)
class Link:
    """What one result is made from, and when and where it was made, by its record."""

    files: tuple[File, ...]
    made_from: tuple[str, ...]
    """Other results, by what they are called."""
    parameters: dict
    raw: str | None
    """Digest of the raw files, of prepared data that are not drawn."""
    git_commit: str | None
    git_dirty: bool | None
    device: str | None
    torch: str | None
    ended: str


@dataclass(frozen=True, kw_only=True)
class CellLink:
    """What one number of ours in a table is made from."""

    value: str | None
    """As it stands in the csv file; None where it does not."""
    read_from: tuple[str, ...]
    """The files that hold what it is computed from."""
    made_from: tuple[str, ...]
    """The results that these files are of, or that the test server scored."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Everything between a study's tables and figures and its data."""

    tables: dict[str, dict[str, dict[str, CellLink]]]
    """By table, row and column; without quoted rows."""
    results: dict[str, Link]
    """By what a result is called; those without a record are left out."""


def read_records(study: Study, results: dict[Result, Node]) -> tuple[Records, dict[Result, Break]]:
    """The records there are, and what is wrong with those that cannot be read."""
    records, damaged = {}, {}
    for result in results:
        path = results[result].record
        try:
            record = provenance.read(study, result)
        except InputError as error:
            damaged[result] = Break.of_error(path, error)
            continue
        if record is not None:
            records[result] = record
    return records, damaged


def make_chain(study: Study, results: dict[Result, Node], records: Records) -> Chain:
    """The chain of every cell of a study's tables."""
    return Chain(
        tables={name: _table(study, name, results) for name in study.tables},
        results={str(result): _link(results[result], record) for result, record in records.items()},
    )


def _link(declared: Node, record: Provenance) -> Link:
    return Link(
        files=tuple(
            File(path=path, sha256=sha256, here=Path(path).is_file()) for path, sha256 in record.outputs.items()
        ),
        made_from=tuple(map(str, declared.results)),
        parameters=record.parameters,
        raw=record.raw,
        git_commit=record.git_commit,
        git_dirty=record.git_dirty,
        device=record.environment.get("device"),
        torch=record.environment.get("torch"),
        ended=record.ended,
    )


def _table(study: Study, name: str, results: dict[Result, Node]) -> dict[str, dict[str, CellLink]]:
    classes = study.data_of_table(name).labels.classes
    columns = [part for column in study.table(name).columns for part in (classes if column == "iou" else (column,))]
    printed = _printed(paths.table_files(study.name, name)[0])
    return {
        run: {
            column: CellLink(
                value=printed.get(run, {}).get(column.replace(" ", "_")),
                **_sources(study, results, Result("table", name), run, column),
            )
            for column in columns
        }
        for run in study.table(name).rows
        if run in study.runs
    }


def _sources(study: Study, results: dict[Result, Node], table: Result, run: str, column: str) -> dict:
    """Where a cell's number comes from: `read_from` and `made_from` of a `CellLink`."""
    runs = (run, study.run(run).baseline) if column.endswith("_gain") else (run,)
    kinds = ("export",) if column == "test_miou" else tuple(SCALES)
    known = {of_run(kind, name, seed) for kind in kinds for name in runs for seed in study.settings.seeds}
    sources = [result for result in results[table].inputs if result in known]
    files = [paths.SERVER_SCORES] if column == "test_miou" else [results[result].identity[0] for result in sources]
    return {"read_from": tuple(map(str, files)), "made_from": tuple(map(str, sources))}


def _printed(path: Path) -> dict[str, dict[str, str]]:
    """A table's csv file by run and column; empty where there is none."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row.get("run", ""): row for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
