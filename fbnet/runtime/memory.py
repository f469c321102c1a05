"""Where memory runs out: what was needed, in a line."""

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fbnet.errors import InputError

GIB = 2**30
# As CUDA, torch, C++ and oneDNN say it, which says no more of a workspace that it does not get.
SIGNS = re.compile("out of memory|can't allocate memory|bad_alloc|could not create a (memory|primitive)", re.IGNORECASE)
ASKED = re.compile(r"tried to allocate ([\d.]+) (bytes|KiB|MiB|GiB)", re.IGNORECASE)
BYTES = {"bytes": 1, "kib": 2**10, "mib": 2**20, "gib": GIB}


def ran_out(error: Exception) -> bool:
    """Whether an error says that there was no more memory: of a GPU or, by torch, oneDNN or numpy, of the machine."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or SIGNS.search(str(error)) is not None


@contextmanager
def within_memory(place: str, device: torch.device, hint: str) -> Iterator[None]:
    """Raises InputError with the memory that the block needed, if it is more than there is."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise InputError(f"{place}: out of memory on {device.type}: {_needed(error, device)}; {hint}") from None


def _needed(error: Exception, device: torch.device) -> str:
    if device.type == "cuda":
        held, there = torch.cuda.max_memory_allocated(device), torch.cuda.mem_get_info(device)[1]
    else:
        held, there = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, None
    asked = ASKED.search(str(error))
    more = 0 if asked is None else float(asked[1]) * BYTES[asked[2].lower()]
    of = "" if there is None else f", of {there / GIB:.2f} GiB"
    return f"it held up to {held / GIB:.2f} GiB and asked for {more / GIB:.2f} GiB more{of}"
