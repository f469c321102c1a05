"""The one exception for bad input: what the user gave is wrong, and the message says what to do about it."""


class InputError(Exception):
    """Bad input. The message is one line that names the file or key and the remedy; the command exits with code 2."""
