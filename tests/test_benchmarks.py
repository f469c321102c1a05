"""Evaluation of benchmark measurements; the measurements themselves are not tests."""

import importlib
import json
from itertools import pairwise

import pytest

from benchmarks import gpu_training, harness, networks, table
from benchmarks.harness import Row, Spread, in_turn, peak_memory, share_of_time, times_as_fast
from fbnet.runtime import instructions

MACHINE = {"gpu": None, "cpu": "a CPU", "cores": 2, "torch": "2.15.0+cpu", "instructions": ["AVX2"], "limits": {}}
SPREAD = ("median", "low", "high")


def cells_of(line):
    """Cells of a line of the table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_shows_the_measurements():
    text = table.PAGE.read_text(encoding="utf-8")
    shown = text.split(table.BEGIN)[1].split(table.END)[0]
    assert shown.strip() == table.markdown().strip()


def test_what_was_measured_is_of_benchmarks_that_are_there():
    assert all(callable(importlib.import_module(f"benchmarks.{name}").main) for name in table.ORDER)
    assert {json.loads(path.read_text())["benchmark"] for path in harness.RESULTS.glob("*.json")} <= set(table.ORDER)


def test_sides_take_turns_after_a_round_that_does_not_count():
    calls = []
    rounds = in_turn([lambda: calls.append("ours"), lambda: calls.append("theirs")], 2)
    assert calls == ["ours", "theirs"] * 3
    assert [len(seconds) for seconds in rounds] == [2, 2]


def test_ratios_compare_the_two_sides_of_a_round(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(harness.time, "perf_counter", lambda: clock[0])

    def side(*seconds):
        """Work that takes so many seconds on the clock, the first time in the warm-up round."""
        durations = iter(seconds)
        return lambda: clock.__setitem__(0, clock[0] + next(durations))

    faster = times_as_fast(side(9, 1, 2, 1), side(9, 4, 8, 6), rounds=3, what="a", against="b", target=2)
    assert (faster.ratio.low, faster.ratio.median, faster.ratio.high) == (4, 4, 6)
    assert (faster.ours, faster.theirs, faster.met) == (1, 6, True)
    dearer = share_of_time(side(9, 5, 5, 5), side(9, 1, 1, 1), rounds=3, what="a", against="b", target=1.03)
    assert (dearer.ratio.median, dearer.met) == (5, False)


def test_the_median_decides_whether_a_target_is_met():
    row = {"what": "a", "against": "b", "ratio": Spread.of([1.0, 2.0, 9.0])}
    assert Row(**row, target=2, better="higher").met
    assert not Row(**row, target=2.1, better="higher").met
    assert Row(**row, target=2, better="lower").met
    assert not Row(**row, target=1.9, better="lower").met


def test_what_was_freed_before_does_not_hide_it():
    chunks = [bytearray(b"\1") * 50_000 for _ in range(800)]  # small enough for the allocator to keep them when freed
    del chunks
    assert peak_memory(lambda: [bytearray(b"\1") * 50_000 for _ in range(400)]) > 18 * 2**20


def test_peak_memory_counts_what_is_taken_beyond_what_is_there():
    kept = bytearray(50 * 2**20)
    assert 29 * 2**20 < peak_memory(lambda: bytearray(b"\1") * (30 * 2**20)) < 34 * 2**20
    assert peak_memory(lambda: len(kept)) < 2**20


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"ours": 1, "unit": "s"}, "15.8 times (13 to 19.5), at least 15 times: met"),
        ({"ours": None, "unit": "min"}, "15.8 min (13 to 19.5), at least 15 min: met"),
        (
            {"ours": 1, "unit": "s", "met": False, "better": "lower"},
            "15.8 times (13 to 19.5), at most 15 times: missed",
        ),
        (
            {"ours": 1, "unit": "s", "ratio": {"median": 1.0057, "low": 0.9, "high": 1.126}, "target": 1.01},
            "1.006 times (0.9 to 1.13), at least 1.01 times: met",
        ),
    ],
)
def test_a_line_of_the_table(tmp_path, row, expected):
    of_row = {
        "what": "it", "against": "the other", "ratio": {"median": 15.83, "low": 13.04, "high": 19.51}, "target": 15,
        "better": "higher", "met": True,
    }  # fmt: skip
    content = {"benchmark": "samples", "machine": MACHINE, "rows": [of_row | row]}
    (tmp_path / "samples_avx2.json").write_text(json.dumps(content))
    lines = table.markdown(tmp_path).splitlines()
    assert lines[0] == "- **AVX2**: a CPU, 2 cores, torch 2.15.0"
    assert cells_of(lines[-1]) == ["it", "the other", expected]


def test_a_column_for_each_kind_of_machine(tmp_path):
    """Each with its own target; what was not measured on a kind is a dash."""
    row = {"against": "the other", "better": "higher", "ours": 1, "unit": "s", "ratio": dict.fromkeys(SPREAD, 1.5)}
    old = {key: value for key, value in MACHINE.items() if key not in ("instructions", "limits")}
    gpu = MACHINE | {"gpu": "NVIDIA H100", "driver": "550.54.15"}
    limited = MACHINE | {"limits": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}
    newer = MACHINE | {"instructions": ["AVX2", "AVX-512", "bfloat16"]}
    machines = {"earlier": old, "avx2-limited": limited, "avx2-avx512-bfloat16": newer, "h100": gpu}
    for index, (kind, machine) in enumerate(machines.items()):
        rows = [row | {"what": "first", "target": 1 + index / 4, "met": True}]
        rows += [row | {"what": "second", "target": 2, "met": False}] if kind == "h100" else []
        content = {"benchmark": "samples", "machine": machine, "rows": rows}
        (tmp_path / f"samples_{kind}.json").write_text(json.dumps(content))
    *kinds, _, header, _, first, second = table.markdown(tmp_path).splitlines()
    titles = ["AVX2, AVX-512, bfloat16", "AVX2 (limited by ONEDNN_MAX_CPU_ISA=AVX2)", "NVIDIA H100", table.EARLIER]
    assert cells_of(header) == ["What", "Compared with", *titles]
    assert kinds[2] == "- **NVIDIA H100**: a CPU, 2 cores, driver 550.54.15, torch 2.15.0"
    assert cells_of(first)[2:] == [
        f"1.5 times, at least {target} times: met" for target in ("1.5", "1.25", "1.75", "1")
    ]
    assert cells_of(second)[2:] == ["–", "–", "1.5 times, at least 2 times: missed", "–"]


def test_a_kind_writes_its_own_files_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(instructions, "CPU_INFO", tmp_path / "cpuinfo")
    for variable in harness.LIMITS:
        monkeypatch.delenv(variable, raising=False)
    row = Row(what="a", against="b", ratio=Spread.of([1.0]), target=1, better="higher")
    written = []
    for flags in ("sse4_2", "avx2", "avx2 avx512f avx512_bf16", "avx2 avx512f amx_bf16 amx_tile"):
        (tmp_path / "cpuinfo").write_text(f"model name : a CPU\nflags : {flags}\n")
        harness.write("ohem", [row])
        written.append({path.name: path.read_bytes() for path in tmp_path.glob("*.json")})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    harness.write("ohem", [row])
    written.append({path.name: path.read_bytes() for path in tmp_path.glob("*.json")})
    assert all(before.items() < after.items() for before, after in pairwise(written))
    kinds = ("cpu", "avx2", "avx2-avx512-bfloat16", "avx2-avx512-bfloat16-amx", "avx2-limited")
    assert written[-1].keys() == {f"ohem_{kind}.json" for kind in kinds}
    machine = json.loads(written[-1]["ohem_avx2-limited.json"])["machine"]
    assert (machine["instructions"], machine["limits"]) == (["AVX2"], {"ONEDNN_MAX_CPU_ISA": "AVX2"})


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n", "570.86.15"),
        ("", None),
    ],
)
def test_the_driver_of_a_gpu(tmp_path, monkeypatch, text, version):
    monkeypatch.setattr(harness, "DRIVER", tmp_path / "version")
    assert harness._driver() is None
    (tmp_path / "version").write_text(text)
    assert harness._driver() == version


@pytest.mark.parametrize("met", [True, False])
def test_what_bounds_a_row_is_said_where_it_is_below_its_target(tmp_path, met):
    ratio = {"median": 1.0, "low": 1.0, "high": 1.0}
    row = {
        "what": "it",
        "against": "the other",
        "ratio": ratio,
        "target": 2,
        "better": "higher",
        "ours": 1,
        "unit": "s",
    }
    content = {
        "benchmark": "samples",
        "machine": MACHINE,
        "rows": [row | {"met": met, "account": "bytes."}],
    }
    (tmp_path / "samples.json").write_text(json.dumps(content))
    assert (
        table.markdown(tmp_path).endswith("\nTarget missed: it, compared with the other, on AVX2: bytes.\n") is not met
    )


@pytest.mark.slow
def test_what_a_gpu_is_measured_by_works_at_small_size():
    """A CPU has no peak, and compiles for minutes; everything else is the same code."""
    rows, kernels = gpu_training.measure(
        "fcn_r50", "fcn_r50_fbnet", "fcn_resnet50", rounds=1, compiled=False, width=0.0625
    )
    assert [row.what for row in rows] == [
        "fcn_r50_fbnet, training step", "fcn_r50, deterministic step", "fcn_r50, training step",
    ]  # fmt: skip
    assert all(row.ratio.median > 0 for row in rows)
    assert len(kernels) == gpu_training.KERNELS
    assert any("conv" in kernel["name"] for kernel in kernels)
    waited = gpu_training.waiting(networks.Step("fcn_r50_fbnet", width=0.0625), size=(128, 256), batches=7, workers=1)
    assert 0 < waited.ratio.median < 1
