"""What each result was made from, and whether that still holds.

Beside the results of a study stands a small JSON for each of them: its parameters, hashes of the source files that
matter to it, digests of what it was made from and of itself, and when, where and by whom. It is written by the job that
makes the result and compared when the workflow is planned; times of files play no part. Imports no torch.
"""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Self

from pydantic import model_validator

from fbnet import paths
from fbnet.config.base import Config, Items, refuse, validating
from fbnet.config.datasets import DataConfig
from fbnet.config.study import Study
from fbnet.data import raw_changes as raw
from fbnet.errors import InputError
from fbnet.io.files import set_back, sha256, write_json
from fbnet.io.text import read_json
from fbnet.names import is_path
from fbnet.provenance.graph import Node, Result, declare
from fbnet.provenance.sources import PACKAGE, source_files

FORMAT = 1
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "pandas", "matplotlib", "fbnet")
CODE = ("fbnet", "params", "workflow", "Snakefile", "requirements.lock")
SHOWN = 3  # changes in a line
MAX_THREADS = 4096  # an audit computes with the threads of a record


class Accepted(Config):
    """A change that was said not to matter."""

    at: str
    because: str
    changes: Items[str]


class Provenance(Config):
    """One result's record."""

    format: int
    kind: str
    name: str
    parameters: dict
    sources: dict[str, str]
    """sha256 of each source file."""
    files: dict[str, str]
    """sha256 of each versioned file that it was made from."""
    inputs: dict[str, str]
    """Digest of each result that it was made from."""
    raw: str | None = None
    """Digest of names and sizes of the raw files, for prepared data that are not drawn."""
    outputs: dict[str, str]
    """sha256 of the files that it is known by."""
    digest: str
    """Of the outputs: another result has another."""
    environment: dict
    git_commit: str | None
    git_dirty: bool | None
    """Whether code or parameters differed from the commit."""
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


@dataclass(frozen=True)
class Stale:
    """Why a result is to be made (again)."""

    changed: tuple[str, ...] = ()
    """What it was made from and is another now."""
    remade: tuple[str, ...] = ()
    """Results that it is made from, and that are made again themselves."""

    def __str__(self) -> str:
        found = [*self.changed, *(f"{name} is made again" for name in self.remade)] or ["not made yet"]
        return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


@dataclass(kw_only=True)
class Device:
    """Where a job computed; filled in by the command that knows."""

    device: str = "cpu"
    threads: int | None = None
    precision: str | None = None


@contextmanager
def recording(study: Study, result: Result) -> Iterator[Device]:
    """Records a result that the block makes. What it is made from is looked at when the block begins, so that an edit
    in the meantime is not taken for its source.

    Raises:
        InputError: before the block, for a damaged record of what it is made from.
    """
    declared = declare(study)[result]
    device = Device()
    begun = {
        "format": FORMAT,
        "kind": result.kind,
        "name": result.name,
        **_present(result, declared),
        "raw": raw.digest(_data(study, result)) if result.kind == "prepare" else None,
        "inputs": {str(entry): _digest_of(study, entry) for entry in declared.inputs},
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": _dirty(),
        "started": _now(),
    }
    yield device
    outputs = {path.as_posix(): sha256(path) for path in declared.outputs}
    environment = {
        "python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := _version(name))},
        "host": platform.node(),
        **{key: value for key, value in asdict(device).items() if value is not None},
    }
    if result.kind == "prepare":
        raw.keep_listing(_data(study, result))
    write_json(
        _file(study, result),
        {**begun, "outputs": outputs, "digest": digest(outputs), "environment": environment, "ended": _now()},
    )
    set_back(path for entry in declared.inputs for path in declare(study)[entry].outputs)
    set_back(declared.files)


def read(study: Study, result: Result) -> Provenance | None:
    """A result's record, None where there is none. Raises InputError for a damaged one."""
    path, again = _file(study, result), "delete it, and the result is made again"
    if not path.exists():
        return None
    content = read_json(path, "no readable record", again)
    with validating(path, again):
        record = Provenance.model_validate(content)
    if record.format != FORMAT or (record.kind, record.name) != (result.kind, result.name):
        raise InputError(f"{path}: records another result or format; {again}")
    return record


def stale(study: Study) -> dict[Result, Stale | None]:
    """Why each result of a study is to be made (again); None where what it was made from still holds.

    Raises InputError for a damaged record.
    """
    reasons: dict[Result, Stale | None] = {}
    records: dict[Result, Provenance | None] = {}
    for result, declared in declare(study).items():
        records[result] = read(study, result)
        reasons[result] = _why(study, result, declared, reasons, records)
    return reasons


def changes(study: Study, result: Result, declared: Node, record: Provenance) -> list[str]:
    """In words, what a result was made from that is another now, the results it was made from apart."""
    now = _present(result, declared)
    found = _differences(record.parameters, now["parameters"])
    for kind in ("sources", "files"):
        was, is_now = getattr(record, kind), now[kind]
        found += [f"{name} changed" for name in is_now if name in was and was[name] != is_now[name]]
        found += [f"{name} is new" for name in is_now if name not in was]
        found += [f"{name} is gone" for name in was if name not in is_now]
    if result.kind == "prepare":
        found += raw.changes(_data(study, result), record.raw)
    return found


def fingerprint(study: Study, result: Result) -> str:
    """A hash of all that a result would be made from now: where it is another, so is the result.

    Raises InputError for a damaged record of what it is made from.
    """
    declared = declare(study)[result]
    made_from = {
        **_present(result, declared),
        "inputs": {str(entry): _digest_of(study, entry) for entry in declared.inputs},
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def restamp(study: Study, because: str, kinds: Iterable[str] = ()) -> list[tuple[Result, list[str]]]:
    """Accepts, for results there are, that their sources or parameters changed without changing them.

    Args:
        study: the study.
        because: why the change does not matter; recorded with it.
        kinds: which kinds of results; all where none is named.

    Returns:
        The results with the changes that were accepted.
    """
    done = []
    for result, declared in declare(study).items():
        record = read(study, result)
        found = [] if record is None else changes(study, result, declared, record)
        if not found or (kinds and result.kind not in kinds):
            continue
        accepted = Accepted(at=_now(), because=because, changes=tuple(found))
        content = record.model_dump() | _present(result, declared)
        if result.kind == "prepare":
            content["raw"] = raw.digest(_data(study, result)) or record.raw
        write_json(_file(study, result), content | {"accepted": [*content["accepted"], accepted.model_dump()]})
        done.append((result, found))
    return done


def digest(outputs: Mapping[str, str]) -> str:
    """What a result of these files, by path and sha256, is known by to others."""
    return hashlib.sha256(json.dumps(sorted(outputs.items())).encode()).hexdigest()


def _why(
    study: Study,
    result: Result,
    declared: Node,
    reasons: Mapping[Result, Stale | None],
    records: Mapping[Result, Provenance | None],
) -> Stale | None:
    record = records[result]
    if record is None:
        there = [path for path in declared.outputs if path.exists()]
        return Stale((f"{there[0]} has no record of what it was made from",)) if there else Stale()
    changed, remade = changes(study, result, declared, record), []
    for entry in declared.inputs:
        if reasons[entry] is not None:
            remade.append(str(entry))
        elif record.inputs.get(str(entry)) != records[entry].digest:
            changed.append(f"made from another {entry}")
    named = {str(entry) for entry in declared.inputs}
    changed += [f"no longer made from {name}" for name in record.inputs if name not in named]
    return Stale(tuple(changed), tuple(remade)) if changed or remade else None


def _present(result: Result, declared: Node) -> dict:
    """What a result would be made from now, other results apart."""
    return {
        "parameters": json.loads(json.dumps(declared.parameters)),
        "sources": {
            f"{PACKAGE.name}/{path.relative_to(PACKAGE).as_posix()}": _source_hash(path)
            for path in source_files(result.kind, declared.choices)
        },
        "files": {path.as_posix(): sha256(path) if path.is_file() else "missing" for path in declared.files},
    }


def _differences(was: object, is_now: object, place: str = "") -> list[str]:
    """The values that differ between two parameters, by their dotted keys."""
    if isinstance(was, Mapping) and isinstance(is_now, Mapping):
        keys = [*was, *(key for key in is_now if key not in was)]
        return [
            text
            for key in keys
            for text in _differences(was.get(key), is_now.get(key), f"{place}.{key}" if place else str(key))
        ]
    return [] if was == is_now else [f"{place} {_word(was)} -> {_word(is_now)}"]


def _word(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _digest_of(study: Study, result: Result) -> str:
    record = read(study, result)
    return "unknown" if record is None else record.digest


def _file(study: Study, result: Result) -> Path:
    return paths.provenance_file(study.name, result.kind, result.name)


@cache
def _source_hash(path: Path) -> str:
    return sha256(path)


@cache
def _git(*arguments: str) -> str | None:
    """What git says, None outside a repository or without git."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def _dirty() -> bool | None:
    status = _git("status", "--porcelain", "--", *CODE)
    return None if status is None else bool(status)


@cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _data(study: Study, result: Result) -> DataConfig:
    return next(data for data in study.settings.data.values() if data.dataset == result.name)
