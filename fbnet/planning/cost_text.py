"""What a study costs, laid out for people."""

from tabulate import tabulate

from fbnet.planning.cost import Amount, RunCost, StudyCost, total

UNKNOWN = "unknown"
GIGA = 1e9
SMALLEST = 0.001  # number that is shown
# Of the totals, as they are read.
HOURS = {
    "gpu_hours": "GPU hours",
    "trainings": "- trainings",
    "predictions": "- evaluations and exports",
    "measured": "- at a measured rate",
    "estimated": "- at an estimated rate",
    "tables_one_by_one": "tables and figures one by one",
    "shared": "- of these, shared between them",
}


def to_text(cost: StudyCost) -> str:
    """The cost of the runs, of each table by itself, and of the whole, as three tables; what does not fit is named."""
    parts = [_heading(cost), _runs(cost), _tables(cost), _totals(cost), _memory(cost)]
    return "\n\n".join(part for part in parts if part)


def _heading(cost: StudyCost) -> str:
    machine = cost.hardware
    peaks = f"{machine.bfloat16_tflops:g} TFLOP/s in bfloat16, {machine.float32_tflops:g} in float32"
    estimated = f"an estimated rate is {machine.utilisation:.0%} of {peaks}"
    return f"On one {machine.label}, if it never waits for data or launches; {estimated}:"


def _runs(cost: StudyCost) -> str:
    rows = [
        {
            "run": run.run,
            "s/iteration": number(run.seconds_an_iteration),
            "rate": "measured" if run.measured else "estimated",
            "hours a training": number(run.training_hours),
            "GPU hours": number(_hours(run).in_all),
            "left": number(_hours(run).left),
            "GiB": number(run.memory_gib) + ("" if run.fits else " (too much)"),
        }
        for run in cost.runs
    ]
    return _laid_out(rows, left={"run", "rate"})


def _tables(cost: StudyCost) -> str:
    rows = [
        {"by itself": name, "GPU hours": number(hours.in_all), "left": number(hours.left)}
        for name, hours in cost.tables.items()
    ]
    return _laid_out(rows, left={"by itself"})


def _totals(cost: StudyCost) -> str:
    totals, price = cost.totals, cost.hardware.dollars_an_hour
    size = total([totals["data_bytes"], totals["checkpoint_bytes"]])
    lines = {
        **{name: totals[key] for key, name in HOURS.items()},
        f"dollars, at {price:g} an hour": totals["dollars"],
        "disk, GB": _in_gb(size),
        "- prepared data": _in_gb(totals["data_bytes"]),
        "- checkpoints": _in_gb(totals["checkpoint_bytes"]),
    }
    rows = [
        {"together": name, "in all": number(amount.in_all), "left": number(amount.left)}
        for name, amount in lines.items()
    ]
    return _laid_out(rows, left={"together"})


def _memory(cost: StudyCost) -> str:
    machine = cost.hardware
    large = [run.run for run in cost.runs if not run.fits]
    if large:
        return f"memory: more than the {machine.memory_gib:g} GiB of {machine.label} for {', '.join(large)}"
    return f"memory: every training fits into {machine.memory_gib:g} GiB, as estimated" if cost.runs else ""


def number(value: float | None) -> str:
    """Three digits, or all before the point: `1,234`, `12.0`, `0.0123`; beneath 0.001 no digits."""
    if value is None:
        return UNKNOWN
    if value < SMALLEST:
        return f"<{SMALLEST:g}" if value > 0 else "0"
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}"


def _hours(run: RunCost) -> Amount:
    return total([run.trainings, run.predictions])


def _in_gb(amount: Amount) -> Amount:
    return Amount(*(None if value is None else value / GIGA for value in (amount.in_all, amount.left)))


def _laid_out(rows: list[dict[str, str]], left: set[str]) -> str:
    """A table whose columns stand to the right, those of words to the left; nothing without rows."""
    if not rows:
        return ""
    align = ["left" if name in left else "right" for name in rows[0]]
    return tabulate(rows, headers="keys", disable_numparse=True, colalign=align)
