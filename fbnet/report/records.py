"""Provenance records prepared for the HTML page."""

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
    "centroids": "Class centroids",
    "train": "Training",
    "evaluate": "Evaluation at a single scale",
    "evaluate_multi_scale": "Evaluation at several scales",
    "export": "Predictions for the test server",
    "measure": "Measurement of feature camouflage",
    "table": "Table",
    "figure": "Figure",
}


@dataclass(frozen=True)
class Entry:
    """One result and its provenance record."""

    result: Result
    record: Provenance | None
    stale: Stale | None
    exists: bool
    """True if any of the result's files exists."""

    @property
    def title(self) -> str:
        name, _, seed = self.result.name.rpartition("/seed")
        return f"{KINDS[self.result.kind]}, seed {seed}" if name else f"{KINDS[self.result.kind]} {self.result.name}"

    @property
    def state(self) -> State:
        if self.record is None:
            return "no record" if self.exists else "not here"
        return "holds" if self.stale is None else "stale"

    @property
    def parameters(self) -> str:
        """YAML with innermost lists and mappings on one line."""
        style = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": 100}
        return yaml.safe_dump(self.record.parameters, **style)

    @property
    def took(self) -> str:
        return str(datetime.fromisoformat(self.record.ended) - datetime.fromisoformat(self.record.started))


def entries(study: Study) -> tuple[Entry, ...]:
    """Return all results of a study with their records. Raises InputError for a damaged record."""
    graph = build_graph(study)
    reasons = stale(graph)
    return tuple(
        Entry(result, read(study, result), reasons[result], any(path.exists() for path in node.identity))
        for result, node in graph.results.items()
    )
