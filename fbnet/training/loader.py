"""Loader processes and the order of the batches."""

import signal

from torch.utils.data import DataLoader

from fbnet.data.sampler import TrainingSamples
from fbnet.training.resume import SIGNALS


def training_batches(
    samples: TrainingSamples, *, workers: int, pin_memory: bool, part: int = 0, parts: int = 1, first: int = 0
) -> DataLoader:
    """The batches of a training from the `first` one on, (N, h, w, 3), (N, h, w) and (N,), in order; 0 workers load in
    this process.

    Where a batch is shared out to `parts` processes, each one's `part` is a stretch of it, and the parts together are
    the batch of one process.
    """
    batch_size = samples.training.batch_size
    share = batch_size // parts
    starts = range(first * batch_size + part * share, len(samples), batch_size)
    return DataLoader(
        samples,
        batch_sampler=[range(start, start + share) for start in starts],
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_leave_stopping_to_the_trainer,
    )


def _leave_stopping_to_the_trainer(_worker: int) -> None:
    """A signal to all processes at once would end the loaders, and with them the iteration that is to be finished."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
