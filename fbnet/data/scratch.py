"""Copies of packed arrays on a machine's own disk, for clusters whose network file system is slow at random reads.

A copy is named by the hash of its content. All jobs of a user on the machine share it, whatever their project and
study. Imports no torch.
"""

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fbnet.errors import InputError
from fbnet.io.files import write_whole

logger = logging.getLogger(__name__)

MAX_AGE = 14 * 24 * 3600
"""Seconds since its last use after which a copy is removed. Who has it open keeps it."""
CHUNK = 1 << 23


def local_copy(array: Path, sha256: str, scratch: Path, hint: str) -> Path:
    """Return the copy of an array in a scratch folder; the first job that asks makes it, and others wait.

    A scratch folder that cannot hold it costs nothing but speed: the array itself is returned, with a warning.

    Args:
        array: file of the array.
        sha256: its hash, as the manifest of its split has it.
        scratch: a folder of this machine's disk, which may be new.
        hint: remedy for an array with another hash.

    Raises:
        InputError: if the array does not have this hash when it is copied.
    """
    if not array.is_file():
        return array
    folder = scratch / f"fbnet-{os.getuid()}"
    copy = folder / f"{sha256}.npy"
    try:
        with _alone(folder):
            _remove_unused(folder)
            if copy.is_file() and copy.stat().st_size == array.stat().st_size:
                os.utime(copy)
            else:
                logger.info(f"copying {array} to {folder}")
                write_whole(copy, lambda file: _copy(array, file, sha256, hint))
    except OSError as error:
        logger.warning(f"{folder}: {error.strerror or error}; {array} is read where it is")
        return array
    return copy


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - MAX_AGE
    for path in folder.iterdir():
        if path.name != "lock" and path.stat().st_mtime < oldest:
            path.unlink()


def _copy(array: Path, file: BinaryIO, sha256: str, hint: str) -> None:
    copied = hashlib.sha256()
    with array.open("rb") as source:
        while chunk := source.read(CHUNK):
            copied.update(chunk)
            file.write(chunk)
    if copied.hexdigest() != sha256:
        raise InputError(f"{array}: is not the file that its manifest names; {hint}")
