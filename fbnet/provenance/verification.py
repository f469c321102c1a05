"""Verification of what a job reads: the bytes of its inputs must be those that their records name.

Records are in git and large files are not, so that a checkout can leave one without the other. Small files and
checkpoints are hashed by every job; packed arrays once on a machine, as long as the file stays the same.
"""

import fcntl
import json
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from fbnet import paths
from fbnet.data.packed import array_hashes
from fbnet.errors import InputError
from fbnet.io.files import sha256
from fbnet.provenance.graph import Graph, Node
from fbnet.provenance.records import Provenance, digest, read


def verified_digests(graph: Graph, node: Node) -> dict[str, str]:
    """Return the digest of each input of a result, after comparing the files here with it.

    Files that are not here are left to those who read them; an input without record has the digest `unknown`.

    Raises:
        InputError: if a file is not the recorded one, or if a record is damaged.
    """
    digests = {}
    for entry in node.results:
        record = read(graph.study, entry)
        if record is not None:
            _verify(graph[entry], record)
            if entry.kind == "prepare":
                for path, recorded in array_hashes(*graph.split_of(entry)).items():
                    _compare(path, recorded, graph[entry], known_sha256)
        digests[str(entry)] = "unknown" if record is None else record.digest
    return digests


def _verify(node: Node, record: Provenance) -> None:
    if record.digest != digest(record.outputs):
        raise InputError(f"{node.record}: its digest is not that of its files; delete it, and the result is made again")
    for path, recorded in record.outputs.items():
        _compare(Path(path), recorded, node, sha256)


def _compare(path: Path, recorded: str, node: Node, hashed: Callable[[Path], str]) -> None:
    if path.is_file() and hashed(path) != recorded:
        raise InputError(
            f"{path}: is not the file that its record names; `dvc checkout` it, or make it again: delete {node.record}"
        )


def known_sha256(path: Path) -> str:
    """Return the sha256 of a large file, computed once on this machine until the file changes in any way."""
    stat = path.stat()
    identity = [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    with _note(path) as note:
        known = _read_note(note)
        if known.get("identity") == identity:
            return known["sha256"]
        found = sha256(path)
        if note is not None:
            note.seek(0)
            note.truncate()
            json.dump({"path": str(path), "identity": identity, "sha256": found}, note)
        return found


@contextmanager
def _note(path: Path) -> Iterator[TextIO | None]:
    """Open the note about a file, alone: others wait instead of hashing the same file. None where none can be kept."""
    try:
        place = paths.verified_note(platform.node(), path)
        place.parent.mkdir(parents=True, exist_ok=True)
        note = place.open("a+", encoding="utf-8")
    except OSError:  # a read-only checkout
        yield None
        return
    with note:
        try:
            fcntl.flock(note, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            yield None
            return
        yield note


def _read_note(note: TextIO | None) -> dict:
    if note is None:
        return {}
    note.seek(0)
    try:
        content = json.loads(note.read())
    except ValueError:  # new, or its writer was killed
        return {}
    return content if isinstance(content, dict) else {}
