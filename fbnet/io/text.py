"""Text from outside: of bounded size and in UTF-8; JSON no deeper than any of ours. The rest ends in InputError."""

import io
import json
import math
from pathlib import Path

from fbnet.errors import InputError

MAX_BYTES = 64 << 20
"""Of a text file. The largest of ours, the manifest of Cityscapes' 20 000 coarse images, has some 15 million."""
MAX_DEPTH = 32
"""Of JSON. Ours has 8 at most."""


def read_text(path: Path, hint: str, what: str = "cannot be read", limit: int = MAX_BYTES) -> str:
    """A text file, its line ends as `\\n`.

    Args:
        path: the file.
        remedy: what to do where it cannot be read, for the message.
        what: what it is then, for the message.
        limit: bytes that it may have.

    Raises:
        InputError: for a missing or unreadable file, for what is no regular file, such as a folder or a pipe, and for
            one that is too large or not in UTF-8.
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
    """The content of a JSON file, its numbers finite and its strings such that they can be written again.

    Args:
        path: the file.
        what: what a file is that holds no such JSON, for the message, such as `damaged`.
        remedy: what to do then.

    Raises:
        InputError: as `read_text`, and for anything else than JSON.
    """
    if not path.exists():
        raise InputError(f"{path}: not there; {hint}")
    text = read_text(path, hint, what)
    try:
        content = json.loads(text, parse_constant=_finite, parse_float=_finite)
        _check_depth(content)
        if "\\u" in text:  # half a surrogate pair is JSON, but no text
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {what} ({error}); {hint}") from None
    return content


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


def _check_depth(content: object) -> None:
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(MAX_DEPTH):
        children = (item.values() if isinstance(item, dict) else item for item in level)
        level = [child for items in children for child in items if isinstance(child, dict | list)]
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_DEPTH}")
