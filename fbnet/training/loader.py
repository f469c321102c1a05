"""Order of the batches and the processes that load them."""

import signal

from torch.utils.data import DataLoader, Dataset

from fbnet.runtime.stop_signals import STOP_SIGNALS


def training_batches(
    samples: Dataset, batch_size: int, *, workers: int, pin_memory: bool, part: int = 0, parts: int = 1, first: int = 0
) -> DataLoader:
    """Batches of a training in order: images (N, h, w, 3) and labels (N, h, w), uint8.

    Args:
        samples: all samples of the training, in order.
        batch_size: samples of the global batch.
        workers: loader processes; 0 loads in this process.
        pin_memory: whether batches are put into pinned memory.
        part: index of this rank's consecutive part of every batch.
        parts: number of ranks, a divisor of the batch size.
        first: iteration to begin with.
    """
    share = batch_size // parts
    starts = range(first * batch_size + part * share, len(samples), batch_size)
    return DataLoader(
        samples,
        batch_sampler=[range(start, start + share) for start in starts],
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_ignore_stop_signals,
    )


def _ignore_stop_signals(_worker: int) -> None:
    """Leave stopping to the trainer: a signal to the process group must not end the loaders mid-iteration."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
