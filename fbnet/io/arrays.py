"""Arrays out of .npy and .npz files that may not hold what they say: nothing is allocated but what is there."""

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
"""Of all arrays of an .npz file, unpacked. Eight samples of Cityscapes' images have 90 million."""
DAMAGED = (OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, OverflowError, tokenize.TokenError)
"""What numpy raises for headers and files that are no arrays."""
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def open_array(path: Path, hint: str) -> np.ndarray:
    """The array of an .npy file, memory-mapped. Raises InputError for a missing or damaged file.

    It is mapped for this process alone, as torch takes no arrays that cannot be written to; the file stays as it is.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: cannot be read (is no file); {hint}")
        with warnings.catch_warnings():  # of headers as Python 2 wrote them
            warnings.simplefilter("ignore")
            return np.lib.format.open_memmap(path, mode="c")
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {hint}") from None
    except DAMAGED as error:
        raise InputError(f"{path}: cannot be read ({error}); {hint}") from None


def create_array(path: Path, length: int) -> np.ndarray:
    """An .npy file of so many bytes to be filled, memory-mapped. Raises OSError where the disk has no room for it."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (length,))
    if not hasattr(os, "posix_fallocate"):  # macOS
        return array
    with path.open("r+b") as file:
        try:
            # Its room is taken at once: what finds none while it is filled would be killed without a word.
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
    return array


def check_length(array: np.ndarray, hint: str) -> None:
    """Raises InputError if the file of a mapped array has become shorter: to read beyond its end kills a process."""
    if isinstance(array, np.memmap) and array._mmap.size() < array.offset + array.nbytes:
        raise InputError(f"{array.filename}: became shorter while it was in use; {hint}")


def read_archive(path: Path, hint: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by their names. Raises InputError for a missing or damaged file, and for objects."""
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
    """An array of no more bytes than its member has. Raises what `DAMAGED` names."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
        raise ValueError(f"{member.filename}: packed in an unknown way")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in HEADERS:
            raise ValueError(f"{member.filename}: of version {version}")
        shape, fortran, dtype = HEADERS[version](file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename}: its header does not fit what it holds")
        content = file.read(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
