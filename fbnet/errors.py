"""The one exception for bad input: what the user gave is wrong, and the message says what to do about it."""

LONGEST = 2000  # characters of a message


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


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
