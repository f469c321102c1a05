"""The exception for bad input, with a message that says what to do about it."""

import errno

LONGEST = 2000  # characters of a message
DISK = (errno.ENOSPC, errno.EDQUOT)  # errors of writing, which do not name the file


class InputError(Exception):
    """Bad input: one line, `<file or key>: <problem>; <what to do>`, and exit code 2.

    Messages may quote the input, so unprintable characters are escaped, line breaks included, and the middle of an
    overlong message is left out.
    """

    def __init__(self, message: str) -> None:
        text = "".join(char if char.isprintable() else _escaped(char) for char in message)
        if len(text) > LONGEST:
            text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
        super().__init__(text)


def of_system(error: InputError | OSError) -> InputError | None:
    """Convert a system error about a file, such as missing permission or space; None for any other error of it."""
    if isinstance(error, InputError):
        return error
    if error.filename is None and error.errno not in DISK:
        return None
    file = "" if error.filename is None else f"{error.filename}: "
    return InputError(f"{file}{error.strerror}; see to the path, its permissions and the disk")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
