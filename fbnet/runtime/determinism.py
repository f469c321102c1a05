"""Deterministic kernels: the same computation on the same machine gives the same bytes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils import deterministic


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Use deterministic kernels only, or allow nondeterministic kernels and cuDNN autotuning.

    Where torch has no deterministic kernel for an operation, it raises RuntimeError.
    """
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        deterministic.fill_uninitialized_memory,
    )
    if wanted:  # cuBLAS and NCCL read these at their first use
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        os.environ.setdefault("NCCL_ALGO", "^NVLS")  # sums within the switch have no fixed order
    torch.use_deterministic_algorithms(wanted)
    torch.backends.cudnn.benchmark = not wanted
    # No kernel here reads what it has not written, and filling every new tensor would cost one more pass.
    deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark, deterministic.fill_uninitialized_memory = before[1:]
