"""Table of the measurements in benchmarks/results/, and the documentation page that shows them."""

import json
from pathlib import Path

from tabulate import tabulate

from benchmarks.harness import RESULTS

PAGE = Path(__file__).parent.parent / "docs/performance.md"
BEGIN, END = "<!-- benchmarks: written by `make bench` -->\n", "<!-- end of benchmarks -->"
ORDER = (
    "samples",
    "block_labels",
    "ohem",
    "fbnet_cost",
    "determinism",
    "training_step",
    "gpu_training",
    "evaluation",
    "multi_scale",
    "first_iteration",
    "demo",
)
"""Benchmarks in the order in which they run and are listed; each is a module of this package."""

GPU_ONLY = ("gpu_training",)
EARLIER = "unknown kind, earlier version"
"""Heading of measurements that do not name the instructions."""


def markdown(results: Path = RESULTS) -> str:
    """Return the kinds of machines, a table with a column for each, and what bounds the rows that miss a target."""
    files = sorted(results.glob("*.json"), key=lambda path: (ORDER.index(_benchmark(path)), path.name))
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    kinds: dict[str, list[str]] = {}  # machines of each kind
    cells: dict[tuple[str, str], dict[str, str]] = {}  # by what was measured, and kind
    missed = []
    for content in contents:
        kind, machine = _kind(content["machine"]), _machine(content["machine"])
        kinds.setdefault(kind, [])
        kinds[kind] += [machine] if machine not in kinds[kind] else []
        for row in content["rows"]:
            cells.setdefault((row["what"], row["against"]), {})[kind] = _cell(row)
            if row.get("account") and not row["met"]:
                missed.append(f"{row['what']}, compared with {row['against']}, on {kind}: {row['account']}")
    names = sorted(kinds, key=lambda kind: kind == EARLIER)
    listed = "\n".join(f"- **{kind}**: {'; '.join(kinds[kind])}" for kind in names)
    lines = [[*key, *(found.get(kind, "–") for kind in names)] for key, found in cells.items()]
    table = tabulate(lines, ["What", "Compared with", *names], tablefmt="github", disable_numparse=True)
    return "\n\n".join([listed, table, *(f"Target missed: {text}" for text in missed)]) + "\n"


def write_into_page(table: str) -> None:
    """Replace the table on the documentation page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _benchmark(path: Path) -> str:
    return json.loads(path.read_text(encoding="utf-8"))["benchmark"]


def _kind(machine: dict) -> str:
    """Heading of a kind of machine: the model of its GPU, or the instruction sets of its CPU."""
    if machine["gpu"]:
        return machine["gpu"]
    if "instructions" not in machine:
        return EARLIER
    limits = ", ".join(f"{name}={value}" for name, value in machine["limits"].items())
    return ", ".join(machine["instructions"] or ["no AVX2"]) + (f" (limited by {limits})" if limits else "")


def _machine(machine: dict) -> str:
    driver = f", driver {machine['driver']}" if machine.get("driver") else ""
    return f"{machine['cpu']}, {machine['cores']} cores{driver}, torch {machine['torch'].split('+')[0]}"


def _cell(row: dict) -> str:
    return f"{_measured(row)}, {_target(row)}: {'met' if row['met'] else 'missed'}"


def _measured(row: dict) -> str:
    ratio, unit = row["ratio"], _unit(row)
    if ratio["low"] == ratio["high"]:
        return f"{_number(ratio['median'])}{unit}"
    return f"{_number(ratio['median'])}{unit} ({_number(ratio['low'])} to {_number(ratio['high'])})"


def _number(value: float) -> str:
    """Format with three significant digits, and with three decimals close to 1."""
    return f"{value:.3f}" if 0.9 < value < 1.1 else f"{value:.3g}"


def _target(row: dict) -> str:
    words = "at least" if row["better"] == "higher" else "at most"
    return f"{words} {row['target']:g}{_unit(row)}"


def _unit(row: dict) -> str:
    return " times" if row["ours"] is not None else f" {row['unit']}"
