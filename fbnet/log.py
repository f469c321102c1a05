"""Messages on standard error: progress lines as they are, warnings and errors as `fbnet: <message>`."""

import logging
import sys


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        prefix = "" if record.levelno < logging.WARNING else "fbnet: "
        print(f"{prefix}{self.format(record)}", file=sys.stderr, flush=True)


def configure() -> None:
    """Send the package's messages, from INFO up, to standard error. To be called by every process that has any."""
    logger = logging.getLogger("fbnet")
    if not logger.handlers:
        logger.addHandler(_Handler())
        logger.setLevel(logging.INFO)
