"""Provenance records prepared for the HTML page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import yaml

from fbnet.config.study import Study
from fbnet.provenance import records as provenance
from fbnet.provenance.graph import Result, declare
from fbnet.provenance.records import Provenance, Stale

State = Literal["holds", "stale", "no record", "not here"]
STATES: tuple[State, ...] = get_args(State)
KINDS = {
    "prepare": "Prepared data",
    "centroids": "Class centroids",
    "train": "Training",
    "evaluate": "Evaluation at a single scale",
    "evaluate_multi_scale": "Evaluation at several scales",
    "export": "Predictions for the test server",
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
    stale = provenance.stale(study)
    return tuple(
        Entry(result, provenance.read(study, result), stale[result], any(path.exists() for path in node.outputs))
        for result, node in declare(study).items()
    )
