"""Out-of-memory errors of GPU and machine, with the memory that was needed."""

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fbnet.errors import InputError

GIB = 2**30
# Wordings of CUDA, torch, C++ and oneDNN; the last does not mention memory when it gets no workspace.
SIGNS = re.compile("out of memory|can't allocate memory|bad_alloc|could not create a (memory|primitive)", re.IGNORECASE)
ASKED = re.compile(r"tried to allocate ([\d.]+) (bytes|KiB|MiB|GiB)", re.IGNORECASE)
BYTES = {"bytes": 1, "kib": 2**10, "mib": 2**20, "gib": GIB}


def ran_out(error: Exception) -> bool:
    """Tell whether an error of torch, oneDNN or numpy means out of memory, on a GPU or the machine."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or SIGNS.search(str(error)) is not None


@contextmanager
def within_memory(label: str, device: torch.device, hint: str) -> Iterator[None]:
    """Raise InputError with the memory that the block needed if it runs out of memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise InputError(f"{label}: out of memory on {device.type}: {_needed(error, device)}; {hint}") from None


def _needed(error: Exception, device: torch.device) -> str:
    if device.type == "cuda":
        held, total = torch.cuda.max_memory_allocated(device), torch.cuda.mem_get_info(device)[1]
    else:
        held, total = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, None
    asked = ASKED.search(str(error))
    more = 0 if asked is None else float(asked[1]) * BYTES[asked[2].lower()]
    of = "" if total is None else f", of {total / GIB:.2f} GiB"
    return f"peak {held / GIB:.2f} GiB, {more / GIB:.2f} GiB more requested{of}"
