"""Read a JSON file that a job wrote, and compare what it says of itself with the study."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from fbnet.config.base import Config, refuse, validating
from fbnet.io.text import read_json

Content = TypeVar("Content", bound=Config)


def read_result(path: Path, content: type[Content], expected: Mapping[str, object], remedy: str) -> Content | None:
    """Return the content of a result's file, None before it is made.

    Args:
        path: the file.
        content: the model of its content.
        expected: what the study says, by field.
        remedy: what makes the file again, for errors.

    Raises:
        InputError: for a damaged file and for one of something else than the study says.
    """
    if not path.is_file():
        return None
    found = read_json(path, f"not valid JSON {content.__name__.lower()}", remedy)
    with validating(path, remedy):
        result = content.model_validate(found)
        require_equal(result, expected)
    return result


def require_equal(found: Config, expected: Mapping[str, object], part: str = "") -> None:
    """Refuse the first field whose value is not the study's; `part` is the key of `found` in its file."""
    for name, value in expected.items():
        if getattr(found, name) != value:
            key = f"{part}.{name}" if part else name
            raise refuse(f"is {getattr(found, name)!r}, but the study says {value!r}", key)
