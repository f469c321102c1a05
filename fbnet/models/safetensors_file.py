"""Weights in the safetensors format with their configuration in JSON beside them, which other programs can read."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from fbnet.errors import InputError
from fbnet.io.files import write_json, write_whole
from fbnet.io.text import read_json

SUFFIX = ".safetensors"
WEIGHTS = f"model{SUFFIX}"
CONFIG = "config.json"
HINT = "download both files again"


def write(folder: Path, state: Mapping[str, Tensor], described: Mapping[str, object]) -> None:
    """Write weights by name, and what describes them, into a folder."""
    from safetensors.torch import save

    content = save({name: value.cpu().contiguous() for name, value in state.items()}, metadata={"format": "pt"})
    write_whole(folder / WEIGHTS, lambda file: file.write(content))
    write_json(folder / CONFIG, described)


def read(path: Path) -> dict[str, object]:
    """Read the description of a file of weights, with the weights as `state`.

    Raises:
        InputError: for a missing or damaged file of the two.
    """
    described = read_json(path.with_name(CONFIG), "no readable configuration", HINT)
    if not isinstance(described, dict):
        raise InputError(f"{path.with_name(CONFIG)}: no readable configuration; {HINT}")
    return described | {"state": read_weights(path, "no readable weights", HINT)}


def read_weights(path: Path, problem: str, hint: str) -> dict[str, Tensor]:
    """Read weights by name; Args and Raises as of `checkpoint.read_pickled`."""
    if not path.is_file():
        raise InputError(f"{path}: not there; {hint}")
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise InputError(f"{path}: needs safetensors ({error}); install it with `pip install '.[export]'`") from None
    try:
        return load_file(path)
    except (SafetensorError, OSError, KeyError) as error:  # KeyError for a dtype that torch does not have
        raise InputError(f"{path}: {problem} ({error}); {hint}") from None
