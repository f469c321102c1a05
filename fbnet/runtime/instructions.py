"""Instruction sets of the CPU that torch computes with, as Linux lists them. Imports no torch."""

import os
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
INSTRUCTIONS = {
    "AVX2": {"avx2"},
    "AVX-512": {"avx512f"},
    "bfloat16": {"avx512_bf16", "amx_bf16", "bf16"},  # x86's and ARM's
    "AMX": {"amx_tile"},
}
"""Flags of which one shows that the CPU has a set."""
LIMIT = "ONEDNN_MAX_CPU_ISA"
"""Environment variable that keeps oneDNN, which convolutions are computed by, from using newer sets."""
LIMITED = {
    **dict.fromkeys(("SSE41", "AVX"), 0),
    **dict.fromkeys(("AVX2", "AVX2_VNNI", "AVX2_VNNI_2"), 1),
    **dict.fromkeys(("AVX512_CORE", "AVX512_CORE_VNNI"), 2),
    **dict.fromkeys(("AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512"), 3),
}
"""Number of sets, in the order of INSTRUCTIONS, that it leaves; any other value leaves all."""


def cpu_instructions() -> tuple[str, ...]:
    """Return the names of INSTRUCTIONS that the CPU has; none on systems other than Linux."""
    if not CPU_INFO.is_file():
        return ()
    lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    line = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    flags, left = line.split(), LIMITED.get(os.environ.get(LIMIT, "").upper(), len(INSTRUCTIONS))
    return tuple(name for name in list(INSTRUCTIONS)[:left] if not INSTRUCTIONS[name].isdisjoint(flags))
