"""Which snakemake processes are alive in a folder, so that what a killed one left locked does not stay locked.

Snakemake's own locks are files: one that was killed leaves them, and the next one asks for `--unlock`. A `flock` goes
with its process, however that ends. Imports no torch.
"""

import fcntl
import sys
from pathlib import Path
from typing import TextIO


def enter(folder: Path = Path(".snakemake")) -> TextIO | None:
    """Shows others that this process is alive, as long as the returned file is open; None where files have no `flock`.

    The first to come removes the locks of those that were killed. One that comes beside another says so.
    """
    folder.mkdir(exist_ok=True)
    alive = (folder / "alive").open("a")  # not inherited: a job that outlives its snakemake does not count
    try:
        if _is_first(alive):
            _unlock(folder / "locks")
        else:
            _say(
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


def _unlock(locks: Path) -> None:
    left = list(locks.glob("*.lock"))
    for path in left:
        path.unlink()
    if left:
        _say("an earlier snakemake was killed here; its locks are removed")


def _say(text: str) -> None:
    print(f"fbnet: {text}", file=sys.stderr, flush=True)
