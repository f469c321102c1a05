"""Second names of a result's files, under which it outlives Snakemake, which deletes what a job is to make again.

A name costs no space, and a result is back under its own ones before its job computes anything. Where the file system
has no hard links, nothing is kept. Imports no torch.
"""

import os
from contextlib import suppress
from pathlib import Path

from fbnet.provenance.graph import Node

SUFFIX = ".kept"


def keep(node: Node) -> None:
    """Give the files of a recorded result their second names."""
    if node.record.exists():
        for path in filter(os.path.lexists, node.outputs):
            with suppress(OSError):  # a read-only folder, or no hard links
                _second(path).unlink(missing_ok=True)
                os.link(path, _second(path), follow_symlinks=False)


def link_back(node: Node) -> None:
    """Put kept files back under their own names where Snakemake deleted them; the second names stay."""
    for path in node.outputs:
        with suppress(OSError):
            os.link(_second(path), path, follow_symlinks=False)


def settle(node: Node) -> None:
    """Drop the second names of a result that has a successor with a record; otherwise put every kept file back."""
    kept = [path for path in node.outputs if os.path.lexists(_second(path))]
    with suppress(OSError):  # a read-only folder
        if node.record in kept and not _is_replaced(node.record):
            for path in kept:
                _second(path).replace(path)
        for path in kept:
            _second(path).unlink(missing_ok=True)  # still there if both were names of one file


def _is_replaced(record: Path) -> bool:
    return record.exists() and not record.samefile(_second(record))


def _second(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)
