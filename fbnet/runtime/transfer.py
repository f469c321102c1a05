"""Copies to the device and back that wait for no computation."""

from collections.abc import Sequence

import torch
from torch import Tensor


def to_device(batch: Sequence[Tensor], device: torch.device, stream: torch.cuda.Stream | None) -> list[Tensor]:
    """Copy a batch to the device.

    Args:
        batch: tensors, on a GPU's machine in pinned memory.
        device: where to copy them.
        stream: a GPU's stream for copies, on which they do not wait for the iteration before; None on a CPU.
    """
    with torch.cuda.stream(stream):  # None changes nothing
        copies = [values.to(device, non_blocking=True) for values in batch]
    if stream is not None:
        consumer = torch.cuda.current_stream(device)
        consumer.wait_stream(stream)
        for values in copies:
            values.record_stream(consumer)
    return copies


class LateValues:
    """Values on their way from the device to the CPU, to be read without waiting for any work that is queued later.

    Args:
        values: a small tensor; what is queued so far computes it.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values.to("cpu", non_blocking=True)  # into pinned memory from a GPU
        self.copied = torch.cuda.current_stream(values.device).record_event() if values.is_cuda else None

    def read(self) -> list[float]:
        """Return the values when they have arrived."""
        if self.copied is not None:
            self.copied.synchronize()
        return self.values.tolist()
