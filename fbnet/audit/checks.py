"""Does a study hold what its records say? Records, files, metrics and tables, each against what it was made from."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from fbnet import paths
from fbnet.audit.chain import Records
from fbnet.audit.findings import Break, Check
from fbnet.config.labels import LabelSpec
from fbnet.config.study import Study
from fbnet.data.packed import read_manifest
from fbnet.errors import InputError
from fbnet.evaluation.metrics import scores
from fbnet.io.files import json_text, sha256
from fbnet.io.text import read_json
from fbnet.provenance import records as provenance
from fbnet.provenance.graph import SCALES, Graph, Kind, Node, Result, of_run
from fbnet.provenance.staleness import stale
from fbnet.report import layout
from fbnet.report.tables import make_table

FILES: dict[Kind, str] = {
    "prepare": "files of prepared data",
    "centroids": "files of centroids",
    "train": "checkpoints",
    "evaluate": "files of metrics",
    "evaluate_multi_scale": "files of metrics",
    "export": "exports",
    "table": "files of tables",
    "figure": "files of figures",
}
SAMPLES = "files of samples"
LARGE = (".pt", ".npz", ".zip")
"""What of results is not under version control, and so may lie elsewhere; data never are."""
UNREADABLE = (InputError, OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
"""What damaged content of a JSON file can end in."""
SHOWN = 24  # characters of a line that differs


def records(graph: Graph, results: dict[Result, Node], found: Records, damaged: dict[Result, Break]) -> Check:
    """Every result has a record, which holds in itself and is not stale.

    What is only made from something stale is not named. With a damaged record, what is stale cannot be told.

    Args:
        graph, results: the study's graph and what its tables and figures need.
        found, damaged: see `chain.read_records`.
    """
    reasons = {} if damaged else stale(graph)
    breaks = list(damaged.values())
    for result in results:
        place, record, reason = str(results[result].record), found.get(result), reasons.get(result)
        if record is None and result not in damaged:
            breaks.append(Break(place, f"there is no record of {result}"))
        elif record is not None and record.digest != provenance.digest(record.outputs):
            breaks.append(Break(place, f"the digest of {result} is not that of its files"))
        if record is not None and reason is not None and reason.changed:
            breaks.append(Break(place, f"{result} is stale: {reason}"))
    return Check(what="records", checked=len(results), breaks=tuple(breaks))


def files(study: Study, results: dict[Result, Node], found: Records) -> list[Check]:
    """The files of every result that has a record are those that it names, as far as they are here."""
    expected = [
        entry
        for result, record in found.items()
        for entry in _expected(study, result, results[result].identity, record.outputs)
    ]
    return [_file_check(what, expected) for what in dict.fromkeys(entry.what for entry in expected)]


def metrics(study: Study, results: dict[Result, Node]) -> Check:
    """Every rate of a metrics file is, to the last digit, what its confusion matrix gives."""
    evaluations = [
        (paths.metrics_file(study.name, run, seed, scales), study.data_of(run).labels)
        for run in study.runs
        for seed in study.settings.seeds
        for kind, scales in SCALES.items()
        if of_run(kind, run, seed) in results
    ]
    here = [(path, labels) for path, labels in evaluations if path.is_file()]
    breaks = [problem for path, labels in here for problem in _metrics_breaks(path, labels)]
    return Check(what="metrics recomputed", checked=len(here), breaks=tuple(breaks))


def tables(study: Study) -> Check:
    """Every cell is what the metrics give, and so are the files for people."""
    cells, breaks = 0, []
    for name in study.tables:
        path, *for_people = paths.table_files(study.name, name)
        try:
            table = make_table(study, name)
        except InputError as error:
            breaks.append(Break(str(path), f"cannot be made again: {error}"))
            continue
        expected = layout.to_csv(table)
        cells += sum(len(row) for row in _rows(expected))
        breaks += _compared(path, expected, _cell_breaks)
        for other, text in zip(for_people, (layout.to_markdown(table), layout.to_latex(table)), strict=True):
            breaks += _compared(other, text, _line_breaks)
        metrics = json_text(layout.to_metrics(table))
        breaks += _compared(paths.table_metrics_file(study.name, name), metrics, _line_breaks)
    return Check(what="table cells made again", checked=cells, breaks=tuple(breaks))


@dataclass(frozen=True)
class _Expected:
    """A file that there should be."""

    what: str
    path: Path
    sha256: str | None
    """None where nothing says it."""
    versioned: bool


def _expected(study: Study, result: Result, outputs: tuple[Path, ...], recorded: dict[str, str]) -> Iterator[_Expected]:
    for path in outputs:
        versioned = path.suffix not in LARGE and path.is_relative_to(paths.RESULTS)
        what = SAMPLES if path.suffix == ".npz" else FILES[result.kind]
        yield _Expected(what, path, recorded.get(path.as_posix()), versioned)
    if result.kind == "prepare":
        yield from _arrays(study, result.name)


def _arrays(study: Study, dataset: str) -> Iterator[_Expected]:
    """The packed arrays, which the manifest names; without it they are as good as not here."""
    data = next(data for data in study.settings.data.values() if data.dataset == dataset)
    path = paths.manifest_file(dataset)
    if not path.is_file():
        return
    try:
        splits = read_manifest(dataset)["splits"]
        hashes = {(split, kind): splits[split]["sha256"][kind] for split in data.splits for kind in data.arrays}
    except UNREADABLE:
        return  # not the manifest that is recorded, which is said of it
    for (split, kind), recorded in hashes.items():
        yield _Expected(FILES["prepare"], paths.array_file(dataset, split, kind), recorded, versioned=False)


def _file_check(what: str, expected: list[_Expected]) -> Check:
    those = [entry for entry in expected if entry.what == what]
    here = [entry for entry in those if entry.path.is_file()]
    breaks = [Break(str(entry.path), "is missing") for entry in those if entry.versioned and entry not in here]
    not_here = len(those) - len(here) - len(breaks)
    for entry in here:
        if entry.sha256 is None:
            breaks.append(Break(str(entry.path), "is not in its record"))
        elif sha256(entry.path) != entry.sha256:
            breaks.append(Break(str(entry.path), "is not the file that was recorded: its sha256 is another"))
    return Check(what=what, checked=len(those) - not_here, not_here=not_here, breaks=tuple(breaks))


def _metrics_breaks(path: Path, labels: LabelSpec) -> Iterator[Break]:
    try:
        content = read_json(path, "damaged", "evaluate again")
        recomputed = scores(np.array(content["confusion_matrix"], dtype=np.int64), labels)
        pairs = [*_pairs(content, recomputed, ("miou", "f_miou", "pixel_accuracy"))]
        pairs += _pairs(content["iou"], recomputed["iou"], labels.classes, "iou.")
    except UNREADABLE as error:
        yield Break(str(path), f"no readable metrics ({error})")
        return
    for key, stored, value in pairs:
        if stored != value:
            yield Break(f"{path}: {key}", f"is {stored}, but its confusion matrix gives {value}")


def _pairs(content: dict, recomputed: dict, keys: tuple[str, ...], prefix: str = "") -> Iterator[tuple]:
    for key in keys:
        yield f"{prefix}{key}", content[key], recomputed[key]


def _compared(path: Path, expected: str, name_differences) -> list[Break]:
    """Where a file differs from what it should hold; a missing one is named among the files."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        return [Break(str(path), f"cannot be read ({error})")]
    if text == expected:
        return []
    found = [*name_differences(path, text, expected)]
    return found or [Break(str(path), "differs from what the metrics give")]


def _cell_breaks(path: Path, text: str, expected: str) -> Iterator[Break]:
    try:
        found, wanted = _rows(text), _rows(expected)
    except csv.Error as error:
        yield Break(str(path), f"is no csv file ({error})")
        return
    if [row.get("run") for row in found] != [row["run"] for row in wanted] or [*found[0]] != [*wanted[0]]:
        yield Break(str(path), "has other rows or columns than the study's table")
        return
    for row, right in zip(found, wanted, strict=True):
        for column, value in right.items():
            if row[column] != value:
                place = f"{path}: row {right['run']}, column {column}"
                yield Break(place, f"is {row[column]}, but the metrics give {value}")


def _line_breaks(path: Path, text: str, expected: str) -> Iterator[Break]:
    """The first line that differs; it and those after it may all be shifted."""
    found, wanted = text.splitlines(), expected.splitlines()
    for number, (line, right) in enumerate(zip(found, wanted, strict=False), start=1):
        if line != right:
            start = next(i for i in count() if line[i : i + 1] != right[i : i + 1])
            shown, meant = (each[start : start + SHOWN] for each in (line, right))
            yield Break(f"{path}: line {number}", f"from character {start + 1} on it is {shown!r}, not {meant!r}")
            return
    if len(found) != len(wanted):
        yield Break(str(path), f"has {len(found)} lines, but the metrics give {len(wanted)}")


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))
