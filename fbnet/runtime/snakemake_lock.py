"""Locks that a killed Snakemake left in its folder, removed by the next one.

Snakemake's own locks are files, which outlive a killed process; a `flock` ends with its process. A `flock` may not
reach other hosts of a shared file system, so locks of another host stay. Imports no torch.
"""

import fcntl
import logging
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)


def enter(folder: Path = Path(".snakemake"), clean_up: Callable[[], None] = lambda: None) -> TextIO | None:
    """Mark this process as alive in a folder, and remove the locks there if the last one was killed on this host.

    Args:
        folder: Snakemake's own folder.
        clean_up: Removes what else a killed one may have left; called where its locks are removed.

    Returns:
        The open file that holds the mark; None if the file system has no `flock`.
    """
    folder.mkdir(exist_ok=True)
    alive = (folder / "alive").open("a+")  # not inherited: a job that outlives its snakemake does not count
    try:
        if _is_first(alive):
            _take_over(alive, list((folder / "locks").glob("*.lock")), clean_up)
        else:
            logger.warning(
                "another snakemake is at work in this folder; if this one cannot lock it, wait for the other to end "
                "and run the same command again, without --unlock"
            )
        fcntl.flock(alive, fcntl.LOCK_SH)
    except OSError:
        alive.close()
        return None
    return alive


def _is_first(alive: TextIO) -> bool:
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_over(alive: TextIO, locks: list[Path], clean_up: Callable[[], None]) -> None:
    """Remove locks of this host, and put this host's name into the file unless another one's locks stay."""
    alive.seek(0)
    last, host = alive.read(), platform.node()
    if locks and last != host:
        logger.warning(
            f"{alive.name}: the last snakemake ran on {last or 'an unknown host'}, and its locks stay; let it end, "
            "or run snakemake --unlock if it was killed"
        )
        return
    for path in locks:
        path.unlink()
    clean_up()
    if locks:
        logger.warning("an earlier snakemake was killed here; its locks are removed")
    alive.truncate(0)
    alive.write(host)
    alive.flush()
