"""Table of all results in benchmarks/results/, for the README."""

import json
from pathlib import Path

from tabulate import tabulate

from benchmarks.harness import RESULTS

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- benchmarks: written by `make bench` -->\n", "<!-- end of benchmarks -->"
ORDER = (
    "samples",
    "block_labels",
    "ohem",
    "fbnet_cost",
    "determinism",
    "training_step",
    "evaluation",
    "multi_scale",
    "first_iteration",
    "demo",
)
"""Modules of the benchmarks, in the order of running and of the table."""


def markdown(results: Path = RESULTS) -> str:
    """Render one table for each machine with the benchmarks that ran there."""
    files = sorted(results.glob("*.json"), key=lambda path: (ORDER.index(_benchmark(path)), path.name))
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    machines = list(dict.fromkeys(_machine(content["machine"]) for content in contents))
    return "\n".join(
        _table(
            machine, [row for content in contents if _machine(content["machine"]) == machine for row in content["rows"]]
        )
        for machine in machines
    )


def into_readme(table: str) -> None:
    """Replace the README's table."""
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    README.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _benchmark(path: Path) -> str:
    return json.loads(path.read_text(encoding="utf-8"))["benchmark"]


def _machine(machine: dict) -> str:
    device = machine["gpu"] or f"{machine['cpu']}, {machine['cores']} cores"
    return f"{device}, torch {machine['torch'].split('+')[0]}"


def _table(machine: str, rows: list[dict]) -> str:
    lines = [[row["what"], row["against"], _measured(row), _target(row), "yes" if row["met"] else "no"] for row in rows]
    headers = ["What", "Beside", "Measured: median (lowest to highest)", "Target", "Met"]
    accounts = [
        f"\nBelow its target, {row['what']} beside {row['against']}: {row['account']}\n"
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
    """Format with three significant digits, near 1 with three decimals."""
    return f"{value:.3f}" if 0.9 < value < 1.1 else f"{value:.3g}"


def _target(row: dict) -> str:
    words = "at least" if row["better"] == "higher" else "at most"
    return f"{words} {row['target']:g}{_unit(row)}"


def _unit(row: dict) -> str:
    return " times" if row["ours"] is not None else f" {row['unit']}"
