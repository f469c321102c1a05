"""Text and JSON files from outside: bounded size and depth, valid UTF-8, finite numbers."""

import io
import json
import math
from collections.abc import Iterable
from pathlib import Path

from fbnet.errors import InputError

MAX_BYTES = 64 << 20
"""Size of a text file. The largest of ours, the manifest of Cityscapes' 20 000 coarse images, has some 15 million."""
MAX_DEPTH = 32
"""Depth of JSON. Ours has at most 8."""
MAX_INT = 2**63 - 1


def read_text(path: Path, hint: str, what: str = "cannot be read", limit: int = MAX_BYTES) -> str:
    """Read a text file of at most `limit` bytes, with `\\n` as line end.

    Args:
        path: The file.
        hint: What to do if it cannot be read, for the message.
        what: The problem in that case, for the message.
        limit: Largest size in bytes.

    Raises:
        InputError: if the file is missing, unreadable, too large, not UTF-8, or no regular file, such as a pipe.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: {what} (is no file); {hint}")
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise InputError(f"{path}: {what} (more than {limit:,} bytes); {hint}")
        return io.StringIO(content.decode("utf-8-sig"), newline=None).read()
    except FileNotFoundError:
        raise InputError(f"{path}: {what} (not there); {hint}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {what} (not in UTF-8 at byte {error.start + 1}); {hint}") from None
    except OSError as error:
        raise InputError(f"{path}: {what} ({error.strerror}); {hint}") from None


def read_json(path: Path, what: str, hint: str) -> object:
    """Read a JSON file of finite numbers and valid text.

    Args:
        path: The file.
        what: The problem if it holds no such JSON, for the message, such as `damaged`.
        hint: What to do then.

    Raises:
        InputError: as `read_text`, and for anything but JSON.
    """
    if not path.exists():
        raise InputError(f"{path}: not there; {hint}")
    text = read_text(path, hint, what)
    try:
        content = json.loads(
            text, parse_constant=_finite, parse_float=_finite, parse_int=lambda digits: check_int(int(digits))
        )
        _check(content, escapes="\\u" in text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {what} ({error}); {hint}") from None
    return content


def check_text(text: str) -> str:
    """Return the text. Raises ValueError for null characters and unpaired surrogates, which escapes can make."""
    if "\0" in text:
        raise ValueError("text with null characters")
    text.encode()
    return text


def check_int(value: int) -> int:
    """Return the number. Raises ValueError beyond 64 bits."""
    if abs(value) > MAX_INT:
        raise ValueError(f"a number above {MAX_INT}")
    return value


def _int(text: str) -> int:
    return check_int(int(text))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _check(content: object, escapes: bool) -> None:
    """Check the depth, and the text if there are escapes."""
    level = [content]
    for _ in range(MAX_DEPTH + 1):
        for text in level if escapes else ():
            if isinstance(text, str):
                check_text(text)
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return
        level = [child for item in containers for child in _children(item)]
    raise ValueError(f"nested deeper than {MAX_DEPTH}")


def _children(container: dict | list) -> Iterable[object]:
    return (*container, *container.values()) if isinstance(container, dict) else container
