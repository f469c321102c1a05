"""Per-epoch log and history.csv."""

import logging
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from fbnet.io.files import write_text

logger = logging.getLogger(__name__)


@dataclass
class EpochRecord:
    """One line of history.csv: means over an epoch."""

    epoch: int
    iteration: int
    learning_rate: float
    loss: float
    segmentation_loss: float
    balance_loss: float
    seconds: float


class History:
    """Collect iterations into epochs and log each epoch, unless a terminal shows the progress bar.

    Args:
        epoch_length: iterations of an epoch.
        epochs: number of epochs.
        label: prefix of log messages.
    """

    def __init__(self, epoch_length: int, epochs: int, label: str) -> None:
        self.epoch_length = epoch_length
        self.epochs = epochs
        self.label = label
        self.records: list[EpochRecord] = []
        self.start = self.epoch_start = time.monotonic()
        self.sums = [0.0, 0.0]

    def add(self, iteration: int, rate: float, segmentation: float, balance: float) -> None:
        """Add an iteration, counted from 0: its learning rate and its two losses."""
        self.sums = [self.sums[0] + segmentation, self.sums[1] + balance]
        if (iteration + 1) % self.epoch_length == 0:
            self._close_epoch(iteration + 1, rate)

    def state(self) -> dict:
        """Plain values from which `restore` continues."""
        now = time.monotonic()
        return {
            "records": [asdict(record) for record in self.records],
            "sums": list(self.sums),
            "seconds": now - self.start,
            "epoch_seconds": now - self.epoch_start,
        }

    def restore(self, state: dict) -> None:
        """Continue from `state`; the time in between does not count."""
        now = time.monotonic()
        self.records = [EpochRecord(**record) for record in state["records"]]
        self.sums = list(state["sums"])
        self.start, self.epoch_start = now - state["seconds"], now - state["epoch_seconds"]

    def write(self, path: Path) -> None:
        """Write the epochs so far as CSV."""
        rows = [[entry.name for entry in fields(EpochRecord)], *(vars(record).values() for record in self.records)]
        lines = (",".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in row) for row in rows)
        write_text(path, "\n".join(lines) + "\n")

    def _close_epoch(self, done: int, rate: float) -> None:
        segmentation, balance = (total / self.epoch_length for total in self.sums)
        loss, epoch, now = segmentation + balance, done // self.epoch_length, time.monotonic()
        self.records.append(EpochRecord(epoch, done, rate, loss, segmentation, balance, now - self.epoch_start))
        self.epoch_start, self.sums = now, [0.0, 0.0]
        if not sys.stderr.isatty():
            left = (now - self.start) / epoch * (self.epochs - epoch)
            logger.info(
                f"{self.label}: epoch {epoch}/{self.epochs} loss {loss:.4f} "
                f"(segmentation {segmentation:.4f}, balance {balance:.4f}) rate {rate:.5f} left {left:.0f} s"
            )
