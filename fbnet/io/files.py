"""Files that appear whole: written aside, synced, and put in place by a rename."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Lets `write` fill a file that replaces `path` only once it is complete and on the disk.

    Raises OSError that names the file, for a full disk too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:
        refused = _refusal(error)
        if refused is None:
            raise
        raise OSError(refused.errno, refused.strerror or str(refused), str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def set_back(paths: Iterable[Path]) -> None:
    """Gives files from the future the present time: the clock was ahead when they were written.

    Snakemake throws away what it made from files that are newer.
    """
    now = time.time()
    for path in paths:
        with suppress(OSError):  # not there, or another's
            if path.stat().st_mtime > now:
                os.utime(path, (now, now))


def write_text(path: Path, text: str) -> None:
    """A text file, UTF-8, appearing whole."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: object) -> None:
    """A JSON file, appearing whole; numbers that JSON does not know are refused."""
    write_text(path, json_text(content))


def json_text(content: object) -> str:
    """What a JSON file of ours holds. Raises ValueError for numbers that JSON does not know."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def sha256(path: Path) -> str:
    """A file's sha256, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refusal(error: BaseException | None) -> OSError | None:
    """What the system refused while a file was written, which names no file; torch answers it with an error of its own.

    None for other errors: those that name a file, and those of networks, which are of types of their own.
    """
    while error is not None and not isinstance(error, OSError):
        error = error.__context__
    return error if type(error) is OSError and error.filename is None else None
