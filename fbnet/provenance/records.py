"""Provenance records: what each result was made from, by which code, when and where.

Each result has a small JSON file: its parameters, hashes of the source files that matter to it, and digests of its
inputs and of itself. The job that makes the result writes it last (`fbnet.provenance.recording`); planning compares it
with the present. File times play no part. Imports no torch.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import model_validator

from fbnet import paths
from fbnet.config.base import Config, Items, refuse, validating
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.io.files import sha256
from fbnet.io.text import read_json
from fbnet.names import is_path
from fbnet.provenance.graph import Graph, Node, Result
from fbnet.provenance.sources import source_files, source_hashes

FORMAT = 1
MAX_THREADS = 4096  # an audit computes with the threads of a record


class Accepted(Config):
    """A change that `fbnet restamp` declared irrelevant."""

    at: str
    because: str
    changes: Items[str]


class Provenance(Config):
    """Provenance record of one result."""

    format: int
    kind: str
    name: str
    parameters: dict
    sources: dict[str, str]
    """sha256 of each source file."""
    files: dict[str, str]
    """sha256 of each versioned input file."""
    inputs: dict[str, str]
    """Digest of each input result."""
    raw: str | None = None
    """Digest of the names and sizes of the raw files; None unless prepared from raw data."""
    outputs: dict[str, str]
    """sha256 of each file that identifies the result."""
    digest: str
    """Digest of `outputs`."""
    environment: dict
    git_commit: str | None
    git_dirty: bool | None
    """True if code or parameters differed from the commit."""
    started: str
    ended: str
    accepted: Items[Accepted] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("started", "ended"):
            try:
                if datetime.fromisoformat(getattr(self, key)).utcoffset() is None:
                    raise ValueError
            except ValueError:
                raise refuse("must be a time with its zone", key) from None
        for path in (*self.outputs, *self.files):
            if not is_path(path) or Path(path).is_absolute() or ".." in Path(path).parts:
                raise refuse(f"and files must lie in the repository, not at {path!r}", "outputs")
        threads = self.environment.get("threads", 1)
        if not isinstance(threads, int) or not 0 < threads <= MAX_THREADS:
            raise refuse(f"threads must be from 1 to {MAX_THREADS}", "environment")
        if not all(isinstance(value, str) for key, value in self.environment.items() if key != "threads"):
            raise refuse("must hold words", "environment")
        return self


def read(study: Study, result: Result) -> Provenance | None:
    """Read a result's record; None without one.

    Raises:
        InputError: for a damaged record.
    """
    path = paths.provenance_file(study.name, result.kind, result.name)
    hint = "delete it, and the result is made again"
    if not path.exists():
        return None
    content = read_json(path, "no readable record", hint)
    with validating(path, hint):
        record = Provenance.model_validate(content)
    if record.format != FORMAT or (record.kind, record.name) != (result.kind, result.name):
        raise InputError(f"{path}: record of another result or format; {hint}")
    return record


def fingerprint(graph: Graph, result: Result) -> str:
    """Return a hash of everything that a result would be made from now, input results included.

    Raises:
        InputError: if an input's record is damaged.
    """
    node = graph[result]
    made_from = {**present(result, node), "inputs": recorded_digests(graph, node)}
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def present(result: Result, node: Node) -> dict:
    """Return the present parameters, source hashes and file hashes of a result, keyed as in its record."""
    return {
        "parameters": json.loads(json.dumps(node.parameters)),
        "sources": source_hashes(source_files(result.kind, node.variants)),
        "files": {path.as_posix(): sha256(path) if path.is_file() else "missing" for path in node.files},
    }


def digest(outputs: Mapping[str, str]) -> str:
    """Return the digest of a result from the sha256 of its identifying files, by path."""
    return hashlib.sha256(json.dumps(sorted(outputs.items())).encode()).hexdigest()


def now() -> str:
    """Return the present time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def recorded_digests(graph: Graph, node: Node) -> dict[str, str]:
    """Return the digest of each input of a result by its record; `unknown` without one."""
    records = {entry: read(graph.study, entry) for entry in node.results}
    return {str(entry): "unknown" if record is None else record.digest for entry, record in records.items()}
