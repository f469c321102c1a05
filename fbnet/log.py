"""Messages on standard error: progress lines as they are, warnings and errors as `fbnet: <message>`."""

import logging


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"fbnet: {text}"


def configure() -> None:
    """Send the package's messages, from INFO up, to standard error. Called once by every process that has any."""
    logger = logging.getLogger("fbnet")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(_Formatter())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
