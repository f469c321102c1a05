"""Precision of the forward pass: float32, or bfloat16 where the device has instructions for it."""

from pathlib import Path
from typing import Literal

import torch

from fbnet.config.training import Precision

CPU_INFO = Path("/proc/cpuinfo")
CPU_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # of x86 and of ARM, as Linux names them


def choose_precision(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """What a network computes in on a device, `auto` decided."""
    if precision != "auto":
        return precision
    has_instructions = _gpu_has_bfloat16() if device.type == "cuda" else _cpu_has_bfloat16()
    return "bfloat16" if has_instructions else "float32"


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context in which the network computes; in float32 it changes nothing."""
    wanted = choose_precision(precision, device) == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def _gpu_has_bfloat16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)


def _cpu_has_bfloat16() -> bool:
    """Whether Linux lists the instructions; other systems count as without."""
    if not CPU_INFO.is_file():
        return False
    lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not CPU_FLAGS.isdisjoint(flags.split())
