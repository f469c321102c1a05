"""Precision that `precision: auto` stands for in a study: chosen once, and the same for all of its jobs.

Numbers that are set beside each other must not differ by what computed them. So a job takes the precision that the
study's results have by their records. Before the first of them it takes the one that the submitting process, or without
one the first job, has noted: the best of its own machine. Imports no torch.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fbnet import paths
from fbnet.config.study import Study
from fbnet.config.training import Precision
from fbnet.errors import InputError
from fbnet.io.notes import open_note, read_note, write_note
from fbnet.provenance.graph import Kind, build_graph
from fbnet.provenance.records import read
from fbnet.runtime.precision import Resolved, best_precision

Part = Literal["training", "evaluation"]
PARTS: dict[Kind, Part] = {
    "train": "training",
    "evaluate": "evaluation",
    "evaluate_multi_scale": "evaluation",
    "export": "evaluation",
    "measure": "evaluation",
}
"""Parts of a study whose settings the computing jobs follow."""


@dataclass(frozen=True)
class Agreement:
    """The precision of a study's jobs, and the file that says so."""

    precision: Resolved
    file: Path


def agree(study: Study, choose: Callable[[], Resolved]) -> Agreement:
    """Return what `auto` stands for in a study.

    Args:
        study: the study.
        choose: returns the choice of this process, if nothing is recorded or noted yet; it is noted.
    """
    recorded = _recorded(study)
    if recorded is not None:
        return recorded
    file = paths.precision_note(study.name)
    with open_note(file) as note:
        noted = read_note(note).get("precision")
        if noted not in get_args(Resolved):
            noted = choose()
            write_note(note, {"precision": noted, "host": platform.node()})
    return Agreement(noted, file)


def job_precision(study: Study, part: Part, precision: Precision, device_type: str) -> Resolved:
    """Return the precision that a job of a study has to compute in.

    Args:
        study: the study.
        part: part of the study whose settings the job follows.
        precision: the precision of these settings.
        device_type: `cuda` or `cpu`.

    Raises:
        InputError: if the device has no instructions for it.
    """
    best, named = best_precision(device_type), paths.study_file(study.name)
    agreed = agree(study, lambda: best) if precision == "auto" else Agreement(precision, named)
    if agreed.precision == "bfloat16" and best != "bfloat16":
        device = "GPU" if device_type == "cuda" else "CPU"
        raise InputError(
            f"{agreed.file}: study {study.name} computes in bfloat16, for which this {device} has no instructions; run "
            f"this job on a machine that has them, or name {part}.precision in {named} and make everything anew"
        )
    return agreed.precision


def is_open(study: Study, kind: Kind) -> bool:
    """Tell whether a kind of job computes in a precision that the study leaves open."""
    parts = {"training": study.settings.training, "evaluation": study.settings.evaluation}
    return kind in PARTS and parts[PARTS[kind]].precision == "auto"


def _recorded(study: Study) -> Agreement | None:
    """Precision of the first result with a record among those whose precision the study leaves open."""
    for result, node in build_graph(study).results.items():
        if is_open(study, result.kind):
            try:
                record = read(study, result)
            except InputError:  # damaged, which planning and audits report
                continue
            precision = None if record is None else record.environment.get("precision")
            if precision in get_args(Resolved):
                return Agreement(precision, node.record)
    return None
