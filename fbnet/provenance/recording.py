"""Recording of a result by the job that makes it."""

import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata

from fbnet.data import raw_changes as raw
from fbnet.io.files import set_back, sha256, write_json
from fbnet.provenance import kept
from fbnet.provenance.graph import Graph, Result
from fbnet.provenance.records import FORMAT, digest, now, present
from fbnet.provenance.verification import verified_digests

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "pandas", "matplotlib", "fbnet")
CODE = ("fbnet", "params", "workflow", "Snakefile", "requirements.lock")


@dataclass(kw_only=True)
class Device:
    """Device, threads and precision of a job, filled in by the command."""

    device: str = "cpu"
    threads: int | None = None
    precision: str | None = None


@contextmanager
def recording(graph: Graph, result: Result) -> Iterator[Device]:
    """Record a result that the block makes.

    Inputs are hashed when the block begins: an edit during a long training must not pass for its source.

    Raises:
        InputError: before the block, if an input is not the file that its record names, or the record is damaged.
    """
    node, device = graph[result], Device()
    kept.link_back(node)
    raw_data = graph.raw_data(result)
    raw_files = {} if raw_data is None else raw.list_files(*raw_data)
    begun = {
        "format": FORMAT,
        "kind": result.kind,
        "name": result.name,
        **present(result, node),
        "raw": raw.digest(raw_files),
        "inputs": verified_digests(graph, node),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_dirty": None if (status := _git("status", "--porcelain", "--", *CODE)) is None else bool(status),
        "started": now(),
    }
    yield device
    outputs = {path.as_posix(): sha256(path) for path in node.identity}
    environment = {
        "python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := _version(name))},
        "host": platform.node(),
        **{key: value for key, value in asdict(device).items() if value is not None},
    }
    if raw_data is not None:
        raw.keep_listing(*raw_data, raw_files)
    write_json(
        node.record,
        {**begun, "outputs": outputs, "digest": digest(outputs), "environment": environment, "ended": now()},
    )
    set_back(path for entry in node.results for path in graph[entry].identity)
    set_back(node.files)


def _git(*arguments: str) -> str | None:
    """Output of git; None outside a repository or without git."""
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
