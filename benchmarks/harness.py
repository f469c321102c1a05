"""Alternating measurements of two sides, and their ratio with its spread and the machine."""

import ctypes
import json
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from fbnet.runtime.instructions import LIMIT, cpu_instructions

RESULTS = Path(__file__).parent / "results"
MEBI = 2**20
LIMITS = (LIMIT, "ATEN_CPU_CAPABILITY")
"""Environment variables that keep oneDNN, and torch's own kernels, from using all instructions of a CPU."""
DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of some measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: the ratio of two sides and its target, or a single figure and its limit."""

    what: str
    against: str
    ratio: Spread
    target: float
    better: str
    """`higher` if the ratio should be at least the target, `lower` if at most."""
    ours: float | None = None
    theirs: float | None = None
    unit: str = ""
    """Unit of both sides, or of a single figure."""
    account: str = ""
    """Bottleneck of the ratio, shown in the table if the target is missed."""

    @property
    def met(self) -> bool:
        return self.ratio.median >= self.target if self.better == "higher" else self.ratio.median <= self.target


def times_as_fast(ours: Callable[[], Any], theirs: Callable[[], Any], *, rounds: int, **row: Any) -> Row:
    """Compare seconds of both sides in turn: the ratio of each round is theirs over ours."""
    return _row(in_turn([ours, theirs], rounds), "higher", "s", **row)


def share_of_time(ours: Callable[[], Any], theirs: Callable[[], Any], *, rounds: int, **row: Any) -> Row:
    """Compare seconds of both sides in turn: the ratio of each round is ours over theirs."""
    return _row(in_turn([ours, theirs], rounds), "lower", "s", **row)


def share_of_memory(ours: Callable[[], Any], theirs: Callable[[], Any], **row: Any) -> Row:
    """Compare the peaks of additional memory of both sides: ours over theirs."""
    return _row([(peak_memory(ours) / MEBI, peak_memory(theirs) / MEBI)], "lower", "MiB", **row)


def in_turn(sides: list[Callable[[], Any]], rounds: int) -> list[tuple[float, ...]]:
    """Measure the seconds of each side in each round, after one warm-up round."""
    for side in sides:
        side()
    return [tuple(seconds(side) for side in sides) for _ in range(rounds)]


def seconds(work: Callable[[], Any]) -> float:
    """Measure the seconds of `work`, including what it leaves queued on a GPU."""
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def peak_memory(work: Callable[[], Any]) -> int:
    """Measure the peak of additional bytes of the process during `work`, as Linux counts them."""
    ctypes.CDLL(None).malloc_trim(0)  # otherwise freed memory would be reused
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    work()
    return max(0, _status("VmHWM") - before)


def write(name: str, rows: list[Row], **settings: Any) -> None:
    """Write benchmarks/results/<name>_<kind>.json, see `kind`; files of other kinds of machines stay."""
    path = RESULTS / f"{name}_{kind()}.json"
    path.parent.mkdir(exist_ok=True)
    content = {
        "benchmark": name,
        "machine": machine(),
        "settings": settings,
        "rows": [asdict(row) | {"met": row.met} for row in rows],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Description of the machine."""
    return {
        "cpu": _cpu_name(),
        "instructions": cpu_instructions(),
        "limits": {name: os.environ[name] for name in LIMITS if name in os.environ},
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "driver": _driver() if torch.cuda.is_available() else None,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def kind() -> str:
    """Kind of this machine, as in file names: the model of its GPU, such as `h100`, or the instruction sets of its CPU.

    An environment that limits the instructions makes a kind of its own.
    """
    if torch.cuda.is_available():
        return torch.cuda.get_device_name().split()[1].lower()
    names = [name.lower().replace("-", "") for name in cpu_instructions()]
    return "-".join([*(names or ["cpu"]), *(["limited"] if machine()["limits"] else [])])


def _row(pairs: list[tuple[float, float]], better: str, unit: str, **row: Any) -> Row:
    """Summarise pairs of ours and theirs: how many times as fast ours is, or its share of theirs."""
    ratios = Spread.of([theirs / ours if better == "higher" else ours / theirs for ours, theirs in pairs])
    ours, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
    return Row(ratio=ratios, better=better, ours=ours, theirs=theirs, unit=unit, **row)


def synchronise() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _status(key: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) * 1024


def _driver() -> str | None:
    """Version of NVIDIA's driver; None for another one."""
    found = re.search(r"\b\d{3}\.[\d.]+", DRIVER.read_text()) if DRIVER.is_file() else None
    return None if found is None else found[0]


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
