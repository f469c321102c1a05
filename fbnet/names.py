"""Names out of files that become parts of paths, of archives and of shell commands: which of them are allowed."""

import re
from pathlib import PurePosixPath

LONGEST_WORD = 100  # characters
LONGEST_NAME = 200  # bytes: file systems have 255, and endings such as _gtFine_labelIds.png come on top
LONGEST_PATH = 1000  # characters
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*", re.ASCII)

WORD = f"must be of letters, digits, underscores and hyphens, at most {LONGEST_WORD} of them"
"""What is wrong with another name, in words."""


def is_word(text: object) -> bool:
    """Whether a name of `params/`, such as a study's or a split's, means nothing to a shell, a path or a pattern."""
    return isinstance(text, str) and len(text) <= LONGEST_WORD and _WORD.fullmatch(text) is not None


def is_file_name(text: object) -> bool:
    """Whether a text names a file in the folder that it is put into, and in no other, on any system."""
    return (
        isinstance(text, str)
        and text not in ("", ".", "..")
        and text.isprintable()  # half characters, as of names in another encoding than UTF-8, are not
        and not set(text) & set("/\\")
        and len(text.encode()) <= LONGEST_NAME
    )


def is_path(text: str) -> bool:
    """Whether a system can be asked for a path: it names a file or folder, and none of its parts is too long."""
    parts = PurePosixPath(text).parts
    return 0 < len(text) <= LONGEST_PATH and text.isprintable() and all(len(part.encode()) <= 255 for part in parts)
