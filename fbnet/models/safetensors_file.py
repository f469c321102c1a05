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
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    described = read_json(path.with_name(CONFIG), "no readable configuration", HINT)
    if not isinstance(described, dict):
        raise InputError(f"{path.with_name(CONFIG)}: no readable configuration; {HINT}")
    try:
        return described | {"state": load_file(path)}
    except (SafetensorError, OSError, KeyError) as error:  # KeyError for a dtype that torch does not have
        raise InputError(f"{path}: no readable weights ({error}); {HINT}") from None
