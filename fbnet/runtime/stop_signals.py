"""Signals that ask a process to stop, forwarded to its children. Imports no torch.

Slurm confines jobs by cgroups and then signals only the first process of a job step. That is a Snakemake, which waits
for its job when it gets SIGTERM; the training, its child, learns of a time limit only from here.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)  # schedulers send the first two before a time limit


class Interrupted(SystemExit):
    """Work that was saved when a signal stopped it; the exit code is the shell's for that signal."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def forward_from_job() -> None:
    """Forward SIGTERM and SIGUSR1 to the children of this process from now on, whatever else handles them.

    To be called in the main thread. Snakemake replaces the handler of SIGTERM later, hence the wakeup descriptor.
    """
    import psutil

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGUSR1, lambda _number, _frame: None)  # by default it would end this process

    def forward() -> None:
        while True:
            for number in os.read(reader, 64):
                if number in (signal.SIGTERM, signal.SIGUSR1):
                    send(number, [child.pid for child in psutil.Process().children()])

    threading.Thread(target=forward, daemon=True).start()


@contextmanager
def catch_stop_signals(children: Callable[[], list[int]] = list) -> Iterator[list[int]]:
    """Collect the numbers of arriving stop signals in a list instead of handling them, and forward them to children.

    Args:
        children: returns the process ids; none by default.
    """
    arrived: list[int] = []

    def forward(number: int, _frame: object) -> None:
        arrived.append(number)
        send(number, children())

    before = {number: signal.signal(number, forward) for number in STOP_SIGNALS}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def send(number: int, pids: list[int]) -> None:
    """Send a signal to processes, some of which may have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
