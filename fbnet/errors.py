"""The one exception for bad input: what the user gave is wrong, and the message says what to do about it."""

import errno

LONGEST = 2000  # characters of a message
DISK = (errno.ENOSPC, errno.EDQUOT)  # refused while a file is written, and without its name


class InputError(Exception):
    """Bad input. The message is one line that names the file or key and the remedy; the command exits with code 2.

    It often quotes the input. So what a terminal would not print as it stands is escaped, line breaks among it, and
    the middle of an overlong message is left out.
    """

    def __init__(self, message: str) -> None:
        text = "".join(sign if sign.isprintable() else _escaped(sign) for sign in message)
        if len(text) > LONGEST:
            text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
        super().__init__(text)


def of_system(error: OSError) -> InputError | None:
    """What the system refuses while files are written or listed: no permission, no space, a name that is too long.

    None for an error that is of no file.
    """
    if error.filename is None and error.errno not in DISK:
        return None
    place = "" if error.filename is None else f"{error.filename}: "
    return InputError(f"{place}{error.strerror}; see to the path, its permissions and the disk")


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
