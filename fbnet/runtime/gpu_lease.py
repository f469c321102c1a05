"""Leases of GPUs: a user's jobs side by side on a machine take different ones, and wait while all are taken.

A lease is a `flock` on a file of this machine: it ends with its process, however that ends, and holds between
workflows in different folders. Imports no torch.
"""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL = 1.0  # seconds
_leases = ExitStack()  # closed by the end of this process


def lease_gpus(count: int, existing: int) -> None:
    """Let this process see `count` of the `existing` GPUs that no other one has leased; wait for them if need be.

    Where CUDA_VISIBLE_DEVICES names no more GPUs than that, a scheduler or a person has chosen already. Where it names
    more, the lease is among these. To be called before CUDA is initialised.
    """
    if VISIBLE in os.environ:
        devices = [name.strip() for name in os.environ[VISIBLE].split(",") if name.strip()]
    else:
        devices = list(map(str, range(existing)))
    if len(devices) > count:
        folder = Path(tempfile.gettempdir()) / f"fbnet-gpus-{os.getuid()}"
        os.environ[VISIBLE] = ",".join(acquire(devices, count, folder, _leases))


def acquire(devices: Sequence[str], count: int, folder: Path, leases: ExitStack) -> list[str]:
    """Wait until `count` of these devices are free, and lease them until `leases` is closed.

    Who comes first is served first, so that a job of several GPUs is not passed over by jobs of one.

    Args:
        devices: names of the devices, at least `count` of them.
        count: number of devices to lease.
        folder: folder of the lock files, the same for all processes on the machine.
        leases: keeps the leases.

    Returns:
        The names of the leased devices.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "queue").open("w") as queue:
        fcntl.flock(queue, fcntl.LOCK_EX)
        free = _try_to_lock(devices, count, folder)
        if not free:
            logger.info(f"waiting for {count} of the GPUs {', '.join(devices)} to be free")
        while not free:
            time.sleep(POLL)
            free = _try_to_lock(devices, count, folder)
    for file in free.values():
        leases.enter_context(file)
    return list(free)


def _try_to_lock(devices: Sequence[str], count: int, folder: Path) -> dict[str, TextIO]:
    """Lock `count` devices, or none: the lock files by device."""
    locked = {}
    for name in devices:
        file = (folder / name).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        locked[name] = file
        if len(locked) == count:
            return locked
    for file in locked.values():
        file.close()
    return {}
