"""Files of `torch.save` from outside: nothing in them is run, and nothing is allocated that they do not hold."""

import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from fbnet.errors import InputError


def read_pickled(path: Path, what: str, hint: str) -> object:
    """What a file holds, its tensors on the CPU; read with `weights_only`, which knows tensors and plain values alone.

    Args:
        path: the file.
        what: what it is that cannot be read, for the message.
        remedy: what to do then.

    Raises:
        InputError: for a missing or damaged file, one that is packed, which torch never does, and one with anything
            else in it.
    """
    if not path.exists():
        raise InputError(f"{path}: not there; {hint}")
    if not path.is_file():
        raise InputError(f"{path}: {what} (is no file); {hint}")
    if _is_packed(path):
        raise InputError(f"{path}: {what} (packed); {hint}")
    try:
        with warnings.catch_warnings():  # of damaged files, which are refused or read all the same
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch answers a damaged file with whatever its reader stumbles over
        raise InputError(f"{path}: {what} ({type(error).__name__}); {hint}") from error


def check_weights(path: Path, state: object, hint: str) -> None:
    """Raises InputError unless a file's `state` maps names to dense, finite tensors of no more bytes than the file."""
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise InputError(f"{path}: holds more than weights by name; {hint}")
    if any(value.layout != torch.strided or value.device.type != "cpu" for value in state.values()):
        raise InputError(f"{path}: holds other tensors than dense ones; {hint}")
    if sum(value.numel() * value.element_size() for value in state.values()) > path.stat().st_size:
        raise InputError(f"{path}: claims more weights than it holds; {hint}")
    for name, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{path}: {name} holds values that are no finite numbers; {hint}")


def _is_packed(path: Path) -> bool:
    """Whether members of a zip, which newer files are, would unpack to more than the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False  # a file of an older torch, or damaged, which torch finds itself
