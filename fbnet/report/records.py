"""The records of what results were made from, in words for a page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import yaml

from fbnet.config.study import Study
from fbnet.provenance.graph import Result, build_graph
from fbnet.provenance.records import Provenance, read
from fbnet.provenance.staleness import Stale, stale

State = Literal["holds", "stale", "no record", "not here"]
STATES: tuple[State, ...] = get_args(State)
KINDS = {
    "prepare": "Prepared data",
    "centroids": "Centroids of classes",
    "train": "Training",
    "evaluate": "Evaluation at a single scale",
    "evaluate_multi_scale": "Evaluation at several scales",
    "export": "Predictions for the test server",
    "table": "Table",
    "figure": "Figure",
}


@dataclass(frozen=True)
class Entry:
    """One result and its record."""

    result: Result
    title: str
    state: State
    why: str
    """Why it is stale."""
    record: Provenance | None
    parameters: str
    """As YAML."""
    took: str
    """From start to end."""


def entries(study: Study) -> tuple[Entry, ...]:
    """All results of a study with what is recorded of them. Raises InputError for a damaged record."""
    graph = build_graph(study)
    reasons = stale(graph)
    return tuple(
        _entry(result, read(study, result), reasons[result], any(path.exists() for path in node.identity))
        for result, node in graph.results.items()
    )


def _entry(result: Result, record: Provenance | None, stale: Stale | None, there: bool) -> Entry:
    return Entry(
        result=result,
        title=_title(result),
        state=_state(record, stale, there),
        why="" if record is None or stale is None else str(stale),
        record=record,
        parameters="" if record is None else _as_yaml(record.parameters),
        took="" if record is None else _took(record),
    )


def _as_yaml(parameters: dict) -> str:
    """With the innermost lists and mappings on a line each."""
    return yaml.safe_dump(parameters, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def _title(result: Result) -> str:
    seed = result.name.rpartition("/seed")
    return f"{KINDS[result.kind]}, seed {seed[2]}" if seed[1] else f"{KINDS[result.kind]} {result.name}"


def _state(record: Provenance | None, stale: Stale | None, there: bool) -> State:
    if record is None:
        return "no record" if there else "not here"
    return "holds" if stale is None else "stale"


def _took(record: Provenance) -> str:
    return str(datetime.fromisoformat(record.ended) - datetime.fromisoformat(record.started))
