"""Arrays from .npy and .npz files whose headers may lie: nothing is allocated beyond what a file holds."""

import math
import os
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from fbnet.errors import InputError

MAX_ARCHIVE_BYTES = 2 << 30
"""Unpacked size of an .npz file. Eight samples of Cityscapes' images have 90 million bytes."""
DAMAGED = (OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, OverflowError, tokenize.TokenError)
"""Errors of numpy for damaged headers and files."""
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class MappedArray(np.memmap):
    """Memory-mapped .npy file that travels to another process by its path; a part of it travels by its values."""

    hint = ""

    def __reduce_ex__(self, protocol: int) -> tuple:
        if isinstance(self.base, MappedArray):
            return np.array(self).__reduce_ex__(protocol)
        return open_array, (Path(self.filename), self.hint)


def open_array(path: Path, hint: str) -> MappedArray:
    """Open an .npy file memory-mapped, copy-on-write as torch needs writable arrays; the file does not change.

    Raises:
        InputError: if the file is missing or damaged.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: cannot be read (is no file); {hint}")
        with warnings.catch_warnings():  # about headers written by Python 2
            warnings.simplefilter("ignore")
            array = np.lib.format.open_memmap(path, mode="c").view(MappedArray)
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {hint}") from None
    except DAMAGED as error:
        raise InputError(f"{path}: cannot be read ({error}); {hint}") from None
    array.hint = hint
    return array


def create_array(path: Path, length: int) -> np.ndarray:
    """Create a memory-mapped .npy file of (length,) uint8. Raises OSError if the disk has no room for it."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (length,))
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("r+b") as file:
            try:
                # Reserved at once, as a full disk would kill the process that writes to the map.
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None
    return array


def check_length(array: np.ndarray, hint: str) -> None:
    """Raise InputError if the file of a mapped array has become shorter: reading beyond its end kills a process."""
    if isinstance(array, np.memmap) and array._mmap.size() < array.offset + array.nbytes:
        raise InputError(f"{array.filename}: became shorter while it was in use; {hint}")


def read_archive(path: Path, hint: str) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz file by name. Raises InputError if it is missing, damaged or holds objects."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MAX_ARCHIVE_BYTES:
                raise ValueError(f"more than {MAX_ARCHIVE_BYTES:,} bytes unpacked")
            return {member.filename.removesuffix(".npy"): _read_member(archive, member) for member in members}
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {hint}") from None
    except (*DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged ({error}); {hint}") from None


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read an array of no more bytes than its member has. Raises one of `DAMAGED`."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
        raise ValueError(f"{member.filename}: packed in an unknown way")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"{member.filename}: of version {version}")
        shape, fortran, dtype = HEADERS[version](file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename}: its header does not fit its content")
        content = file.read(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
