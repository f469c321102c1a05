"""Checks of names from files that become parts of paths, archives and shell commands."""

import re
from pathlib import PurePosixPath

LONGEST_WORD = 100  # characters
LONGEST_NAME = 200  # bytes: file systems allow 255, and suffixes such as _gtFine_labelIds.png are added
LONGEST_PATH = 1000  # characters
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*", re.ASCII)

WORD = f"must be of letters, digits, underscores and hyphens, at most {LONGEST_WORD} of them"
"""The rule that `is_word` checks, for messages."""


def is_word(text: object) -> bool:
    """Return True for a name that is safe in a shell, a path and a pattern, such as a study's or a split's."""
    return isinstance(text, str) and len(text) <= LONGEST_WORD and _WORD.fullmatch(text) is not None


def is_file_name(text: object) -> bool:
    """Return True for the name of a file in the folder it is put into, and in no other, on any system."""
    return (
        isinstance(text, str)
        and text not in ("", ".", "..")
        and text.isprintable()  # excludes unpaired surrogates, as of names in another encoding than UTF-8
        and not set(text) & set("/\\")
        and len(text.encode()) <= LONGEST_NAME
    )


def is_path(text: str) -> bool:
    """Return True for a printable path that is not empty and has no overlong part."""
    parts = PurePosixPath(text).parts
    return 0 < len(text) <= LONGEST_PATH and text.isprintable() and all(len(part.encode()) <= 255 for part in parts)
