"""Tables of the measurements in benchmarks/results/, and the documentation page that shows them."""

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


def markdown(results: Path = RESULTS) -> str:
    """Return one table for each machine, with the benchmarks that ran there."""
    files = sorted(results.glob("*.json"), key=lambda path: (ORDER.index(_benchmark(path)), path.name))
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    machines = list(dict.fromkeys(_machine(content["machine"]) for content in contents))
    return "\n".join(
        _table(
            machine, [row for content in contents if _machine(content["machine"]) == machine for row in content["rows"]]
        )
        for machine in machines
    )


def write_into_page(table: str) -> None:
    """Replace the tables on the documentation page."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _benchmark(path: Path) -> str:
    return json.loads(path.read_text(encoding="utf-8"))["benchmark"]


def _machine(machine: dict) -> str:
    device = machine["gpu"] or f"{machine['cpu']}, {machine['cores']} cores"
    return f"{device}, torch {machine['torch'].split('+')[0]}"


def _table(machine: str, rows: list[dict]) -> str:
    lines = [[row["what"], row["against"], _measured(row), _target(row), "yes" if row["met"] else "no"] for row in rows]
    headers = ["What", "Compared with", "Median (lowest to highest)", "Target", "Met"]
    accounts = [
        f"\nTarget missed: {row['what']}, compared with {row['against']}: {row['account']}\n"
        for row in rows
        if row.get("account") and not row["met"]
    ]
    return f"{machine}:\n\n{tabulate(lines, headers, tablefmt='github', disable_numparse=True)}\n{''.join(accounts)}"


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
