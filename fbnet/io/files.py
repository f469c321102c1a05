"""Atomic writing of files: written aside, synced, and renamed into place."""

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fbnet.errors import InputError


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file that replaces `path` only when it is complete and on the disk.

    Raises:
        OSError: if the system refuses it, as with a full disk; names the file to be replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")  # its own, as others may write the same file
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:
        refused = _refusal(error, part)
        if refused is None:
            raise
        raise OSError(refused.errno, refused.strerror or str(refused), str(path)) from error
    finally:
        with suppress(OSError):  # not there any more, or on a disk that may only be read by now
            part.unlink()


def refuse_lost_links(path: Path) -> None:
    """Raise InputError if a path, or a folder on its way, is a link to nowhere or to itself."""
    for part in (*reversed(path.parents), path):
        if part.is_symlink() and not part.exists():
            raise InputError(f"{part}: a link to {part.readlink()}, where nothing is; remove it or make its target")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder, which takes the place of `folder` at the end of the block and is removed if that fails.

    Its name is its own, as others may fill the same folder. Who has files of a former folder open keeps them.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.part")
    former = part.with_suffix(".former.part")
    part.mkdir()
    try:
        yield part
        while part.exists():
            with suppress(FileNotFoundError):
                folder.rename(former)
            try:
                part.rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            shutil.rmtree(former, ignore_errors=True)  # before the next turn, if another one was faster
    finally:
        shutil.rmtree(part, ignore_errors=True)


def set_back(paths: Iterable[Path]) -> None:
    """Give files from the future the present time: the clock was ahead when they were written.

    Snakemake deletes what it made from newer files.
    """
    now = time.time()
    for path in paths:
        with suppress(OSError):  # missing, or owned by somebody else
            if path.stat().st_mtime > now:
                os.utime(path, (now, now))


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_whole(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: object) -> None:
    """Write a JSON file atomically. Raises ValueError for numbers that are not finite."""
    write_text(path, json_text(content))


def json_text(content: object) -> str:
    """Return content as the text of a JSON file. Raises ValueError for numbers that are not finite."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def sha256(path: Path) -> str:
    """Return the sha256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refusal(error: BaseException | None, part: Path) -> OSError | None:
    """Return the system's error that caused an error of writing a file, as torch raises its own error for it.

    None for other errors: those that name another file, and those of networks, which have types of their own.
    """
    while error is not None and not isinstance(error, OSError):
        error = error.__context__
    if error is None or (error.filename is None and type(error) is not OSError):
        return None
    return error if error.filename in (None, str(part)) else None
