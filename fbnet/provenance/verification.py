"""Verification of what a job reads: the bytes of its inputs must be those that their records name.

Records are in git and large files are not, so that a checkout can leave one without the other. Small files and
checkpoints are hashed by every job; packed arrays once on a machine, as long as the file stays the same.
"""

import platform
from collections.abc import Callable
from pathlib import Path

from fbnet import paths
from fbnet.data.packed import array_hashes
from fbnet.errors import InputError
from fbnet.io.files import sha256
from fbnet.io.notes import open_note, read_note, write_note
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
    with open_note(paths.verified_note(platform.node(), path)) as note:
        known = read_note(note)
        if known.get("identity") == identity:
            return known["sha256"]
        found = sha256(path)
        write_note(note, {"path": str(path), "identity": identity, "sha256": found})
        return found
