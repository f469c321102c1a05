"""Notes of one mapping each, which processes read and write one at a time."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def open_note(path: Path) -> Iterator[TextIO | None]:
    """Open a note alone: others wait meanwhile. None where none can be kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        note = path.open("a+", encoding="utf-8")
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


def read_note(note: TextIO | None) -> dict:
    """Return what a note says; nothing if it is new or damaged."""
    if note is None:
        return {}
    note.seek(0)
    try:
        content = json.loads(note.read())
    except ValueError:  # new, or its writer was killed
        return {}
    return content if isinstance(content, dict) else {}


def write_note(note: TextIO | None, content: dict) -> None:
    """Replace what a note says; does nothing where none can be kept."""
    if note is not None:
        note.seek(0)
        note.truncate()
        json.dump(content, note)
