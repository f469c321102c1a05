"""Checks of a study: records, files, metrics and tables, each against what it was made from."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from fbnet import paths
from fbnet.audit.chain import Records, runs_with
from fbnet.audit.findings import Check, Failure
from fbnet.config.datasets import DataConfig
from fbnet.config.labels import LabelSpec
from fbnet.config.study import Study
from fbnet.data.packed import array_hashes
from fbnet.errors import InputError
from fbnet.evaluation.metrics import scores
from fbnet.io.files import json_text, sha256
from fbnet.io.text import read_json
from fbnet.provenance import records as provenance
from fbnet.provenance.graph import SCALES, Graph, Kind, Node, Result
from fbnet.provenance.staleness import stale
from fbnet.report import layout
from fbnet.report.histories import read_history
from fbnet.report.measurements import read_measurements
from fbnet.report.results import read_metrics
from fbnet.report.tables import make_table

FILES: dict[Kind, str] = {
    "prepare": "files of prepared data",
    "centroids": "files of centroids",
    "train": "checkpoints",
    "evaluate": "files of metrics",
    "evaluate_multi_scale": "files of metrics",
    "export": "exports",
    "measure": "files of measurements",
    "table": "files of tables",
    "figure": "files of figures",
}
SAMPLES = "files of samples"
LARGE = (".pt", ".npz", ".zip")
"""Suffixes of results outside version control, which may be missing here; data always may."""
UNREADABLE = (InputError, OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
"""Errors that damaged JSON content can cause."""
SHOWN = 24  # characters of a line that differs


def records(graph: Graph, results: dict[Result, Node], found: Records, damaged: dict[Result, Failure]) -> Check:
    """Check that every result has a consistent record and is not stale.

    Results that are only made from stale ones are not named. Damaged records leave staleness unknown.

    Args:
        graph: the study's graph.
        results: the results that its tables and figures need.
        found: existing records, see `chain.read_records`.
        damaged: failures to read records.
    """
    reasons = {} if damaged else stale(graph)
    failures = list(damaged.values())
    for result in results:
        location, record, reason = str(results[result].record), found.get(result), reasons.get(result)
        if record is None and result not in damaged:
            failures.append(Failure(location, f"there is no record of {result}"))
        elif record is not None and record.digest != provenance.digest(record.outputs):
            failures.append(Failure(location, f"the digest of {result} is not that of its files"))
        if record is not None and reason is not None and reason.changed:
            failures.append(Failure(location, f"{result} is stale: {reason}"))
    return Check("records", len(results), failures=tuple(failures))


def files(graph: Graph, results: dict[Result, Node], found: Records) -> list[Check]:
    """Check that the files of every recorded result, as far as they are here, match its record."""
    expected: dict[str, list[_File]] = {}
    for result, record in found.items():
        for what, file in _expected(graph, result, results[result].identity, record.outputs):
            expected.setdefault(what, []).append(file)
    return [_check_files(what, listed) for what, listed in expected.items()]


def histories(study: Study, found: Records) -> Check:
    """Check that the history of every recorded training is there and whole: all of its epochs, in order."""
    failures, trained = [], runs_with(study, "train", found)
    for run, seed in trained:
        path = paths.history_file(study.name, run, seed)
        try:
            epochs = [record.epoch for record in read_history(path) or ()]
        except InputError as error:
            failures.append(Failure.from_error(path, error))
            continue
        if epochs != list(range(1, study.training_of(run).epochs + 1)):
            failures.append(Failure(str(path), f"holds {len(epochs)} epochs, not those of the training, in order"))
    return Check("histories", len(trained), failures=tuple(failures))


def metrics(study: Study, results: dict[Result, Node]) -> Check:
    """Check that every rate of a metrics file is exactly what its confusion matrix gives."""
    checked, failures = 0, []
    for kind, scales in SCALES.items():
        for run, seed in runs_with(study, kind, results):
            path = paths.metrics_file(study.name, run, seed, scales)
            if path.is_file():
                checked += 1
                failures += _compare_metrics(path, study.data_of(run).labels)
    return Check("metrics recomputed", checked, failures=tuple(failures))


def measurements(study: Study, results: dict[Result, Node]) -> list[Check]:
    """Check that the pixels of every measurement, over all distances, are those that the evaluation counts.

    None for a study without measurements.
    """
    planned, failures, compared = runs_with(study, "measure", results), [], 0
    for run, seed in planned:
        path = paths.camouflage_file(study.name, run, seed)
        try:
            measured, metrics = read_measurements(study, run, seed), read_metrics(study, run, seed)
        except InputError as error:
            failures.append(Failure.from_error(path, error))
            continue
        if measured is None or metrics is None:
            continue
        compared += 1
        if np.sum(measured.confusion_by_distance, axis=0).tolist() != [list(row) for row in metrics.confusion_matrix]:
            failures.append(Failure(str(path), "is of another network than the metrics beside it"))
    check = Check("measurements compared with metrics", compared, len(planned) - compared, tuple(failures))
    return [check] if planned else []


def tables(study: Study) -> Check:
    """Check that every file of a table is what the metrics give."""
    cells, failures = 0, []
    for name in study.tables:
        path, *others = [*paths.table_files(study.name, name), paths.table_metrics_file(study.name, name)]
        try:
            table = make_table(study, name)
        except InputError as error:
            failures.append(Failure(str(path), f"cannot be made again: {error}"))
            continue
        expected = layout.to_csv(table)
        cells += sum(len(row) for row in _read_csv(expected))
        failures += _compare(path, expected, _compare_cells)
        texts = (layout.to_markdown(table), layout.to_latex(table), json_text(layout.to_metrics(table)))
        for other, text in zip(others, texts, strict=True):
            failures += _compare(other, text, _compare_lines)
    return Check("table cells made again", cells, failures=tuple(failures))


@dataclass(frozen=True)
class _File:
    """A file that should exist."""

    path: Path
    sha256: str | None
    """None if it is not recorded."""
    versioned: bool


def _expected(
    graph: Graph, result: Result, outputs: tuple[Path, ...], recorded: dict[str, str]
) -> Iterator[tuple[str, _File]]:
    """The files of a result, and how checks call them."""
    for path in outputs:
        versioned = path.suffix not in LARGE and path.is_relative_to(paths.RESULTS)
        what = SAMPLES if path.suffix == ".npz" else FILES[result.kind]
        yield what, _File(path, recorded.get(path.as_posix()), versioned)
    if result.kind == "prepare":
        for path, digest in _arrays(*graph.split_of(result)).items():
            yield FILES["prepare"], _File(path, digest, versioned=False)


def _arrays(data: DataConfig, split: str) -> dict[Path, str]:
    """sha256 of the packed arrays that the manifest lists; none without a readable manifest, checked on its own."""
    try:
        return array_hashes(data, split)
    except InputError:
        return {}


def _check_files(what: str, expected: list[_File]) -> Check:
    here = [entry for entry in expected if entry.path.is_file()]
    failures = [Failure(str(entry.path), "is missing") for entry in expected if entry.versioned and entry not in here]
    not_here = len(expected) - len(here) - len(failures)
    for entry in here:
        if entry.sha256 is None:
            failures.append(Failure(str(entry.path), "is not in its record"))
        elif sha256(entry.path) != entry.sha256:
            failures.append(Failure(str(entry.path), "its sha256 is not the recorded one"))
    return Check(what, len(expected) - not_here, not_here, tuple(failures))


def _pairs(content: dict, labels: LabelSpec) -> dict[str, tuple[float | None, float | None]]:
    """Stored and recomputed value of each rate of a confusion matrix."""
    recomputed = scores(np.array(content["confusion_matrix"], dtype=np.int64), labels)
    pairs = {key: (content[key], recomputed[key]) for key in ("miou", "f_miou", "pixel_accuracy")}
    return pairs | {f"iou.{name}": (content["iou"][name], recomputed["iou"][name]) for name in labels.classes}


def _compare_metrics(path: Path, labels: LabelSpec) -> Iterator[Failure]:
    try:
        content = read_json(path, "damaged", "evaluate again")
        pairs = _pairs(content, labels)
        if "mirrored" in content:
            pairs |= {f"mirrored.{key}": pair for key, pair in _pairs(content["mirrored"], labels).items()}
    except UNREADABLE as error:
        yield Failure(str(path), f"no readable metrics ({error})")
        return
    for key, (stored, value) in pairs.items():
        if stored != value:
            yield Failure(f"{path}: {key}", f"is {stored}, but its confusion matrix gives {value}")


def _compare(path: Path, expected: str, differences: Callable[[Path, str, str], Iterator[Failure]]) -> list[Failure]:
    """Differences of a file from its expected text; a missing one is reported by `files`."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        return [Failure(str(path), f"cannot be read ({error})")]
    if text == expected:
        return []
    return list(differences(path, text, expected)) or [Failure(str(path), "differs from what the metrics give")]


def _compare_cells(path: Path, text: str, expected: str) -> Iterator[Failure]:
    try:
        found, wanted = _read_csv(text), _read_csv(expected)
    except csv.Error as error:
        yield Failure(str(path), f"is not CSV ({error})")
        return
    if [row.get("run") for row in found] != [row["run"] for row in wanted] or [*found[0]] != [*wanted[0]]:
        yield Failure(str(path), "has other rows or columns than the study's table")
        return
    for row, right in zip(found, wanted, strict=True):
        for column, value in right.items():
            if row[column] != value:
                location = f"{path}: row {right['run']}, column {column}"
                yield Failure(location, f"is {row[column]}, but the metrics give {value}")


def _compare_lines(path: Path, text: str, expected: str) -> Iterator[Failure]:
    """The first line that differs; the lines after it may only be shifted."""
    found, wanted = text.splitlines(), expected.splitlines()
    for number, (line, right) in enumerate(zip(found, wanted, strict=False), start=1):
        if line != right:
            start = next(i for i in count() if line[i : i + 1] != right[i : i + 1])
            shown, meant = (each[start : start + SHOWN] for each in (line, right))
            yield Failure(f"{path}: line {number}", f"from character {start + 1} on it is {shown!r}, not {meant!r}")
            return
    if len(found) != len(wanted):
        yield Failure(str(path), f"has {len(found)} lines, but the metrics give {len(wanted)}")


def _read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))
