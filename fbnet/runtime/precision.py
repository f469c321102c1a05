"""Precision of the forward pass: float32, or bfloat16 where the device has instructions for it."""

from pathlib import Path
from typing import Literal

import torch

from fbnet.config.training import Precision

CPU_INFO = Path("/proc/cpuinfo")
CPU_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # x86's and ARM's, as Linux names them


def choose_precision(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """Precision on a device, with `auto` resolved."""
    if precision != "auto":
        return precision
    on_gpu = device.type == "cuda"
    supported = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else _cpu_has_bfloat16()
    return "bfloat16" if supported else "float32"


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Autocast context of the forward pass; without effect in float32."""
    wanted = choose_precision(precision, device) == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def _cpu_has_bfloat16() -> bool:
    """Look for the instructions in Linux's list; other systems count as without."""
    if not CPU_INFO.is_file():
        return False
    lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not CPU_FLAGS.isdisjoint(flags.split())
