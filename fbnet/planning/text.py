"""Text layout of a study's plan and costs."""

from collections.abc import Iterable

from tabulate import tabulate

from fbnet.config.hardware import Hardware
from fbnet.planning.cost import Amount, StudyCost, total
from fbnet.planning.plan import DataPlan, Jobs, Plan
from fbnet.planning.slurm import TrainingRequest
from fbnet.planning.unused import UnusedSplit

NONE = "–"
UNKNOWN = "unknown"
GIGA = 1e9
SMALLEST = 0.001  # positive number that is shown as such
NUMBERS = {
    *("s/iteration", "hours a training", "GPU hours", "in all", "left", "GiB", "GB"),
    *("GPUs", "GiB on each", "cores", "memory, MB", "time limit, h", "hours", "jobs in turn"),
}
"""Columns aligned to the right."""
HOURS = {
    "gpu_hours": "GPU hours",
    "trainings": "- trainings",
    "predictions": "- evaluations, measurements, exports",
    "measured": "- at a measured rate",
    "estimated": "- at an estimated rate",
    "tables_one_by_one": "tables and figures one by one",
    "shared": "- of these, shared between them",
}
"""Labels of `StudyCost.totals`, in the order of the table."""


def plan_text(plan: Plan) -> str:
    """Lay out a plan as tables of its data and runs, and its totals."""
    data = [
        {
            "data": entry.role,
            "data set": entry.dataset,
            "images": ", ".join(f"{split} {_count(images)}" for split, images in entry.images.items()),
            "packed": "yes" if entry.prepared else "no",
            "raw data": _raw_data(entry),
            "tables": _numbers(entry.tables),
            "figs": _numbers(entry.figures),
        }
        for entry in plan.data
    ]
    runs = [
        {
            "run": entry.run,
            "trained on": f"{entry.dataset} {' + '.join(entry.splits)}",
            "iterations": _count(entry.iterations),
            "trained": _progress([entry.training]),
            "evaluated": _progress(entry.evaluations.values()),
            "exports": _progress([entry.exports]),
            "tables": _numbers(entry.tables),
            "figs": _numbers(entry.figures),
            "starts from": entry.start or NONE,
        }
        for entry in plan.runs
    ]
    totals = [f"{kind}: {_count(jobs['needed'])}, done {_count(jobs['done'])}" for kind, jobs in plan.totals.items()]
    return _join(_table(data), _table(runs), "\n".join(totals))


def cost_text(cost: StudyCost) -> str:
    """Lay out costs as tables of runs, of the study's tables by themselves and of totals; name runs that do not fit."""
    machine, totals = cost.hardware, cost.totals
    peaks = f"{machine.bfloat16_tflops:g} TFLOP/s in bfloat16, {machine.float32_tflops:g} in float32"
    heading = (
        f"On one {machine.label}, if it never waits for data or launches; an estimated rate is "
        f"{machine.utilisation:.0%} of {peaks}:"
    )
    runs = [
        {
            "run": run.run,
            "s/iteration": number(run.seconds_an_iteration),
            "rate": "measured" if run.measured else "estimated",
            "hours a training": number(run.training_hours),
            **_columns("GPU hours", total([run.trainings, run.predictions])),
            "GiB": number(run.memory_gib) + ("" if run.fits else " (too much)"),
        }
        for run in cost.runs
    ]
    tables = [{"by itself": name, **_columns("GPU hours", hours)} for name, hours in cost.tables.items()]
    disk = {
        "disk, GB": total([totals["data_bytes"], totals["checkpoint_bytes"]]),
        "- prepared data": totals["data_bytes"],
        "- checkpoints": totals["checkpoint_bytes"],
    }
    lines = {
        **{label: totals[key] for key, label in HOURS.items()},
        f"dollars, at {machine.dollars_an_hour:g} an hour": totals["dollars"],
        **{label: amount.scaled(1 / GIGA) for label, amount in disk.items()},
    }
    together = [{"together": label, **_columns("in all", amount)} for label, amount in lines.items()]
    return _join(heading, _table(runs), _table(tables), _table(together), _memory(cost))


def requests_text(requests: Iterable[TrainingRequest], machine: Hardware) -> str:
    """Lay out what one training of each run asks of a cluster, and name those that need several GPUs."""
    requests = list(requests)
    rows = [
        {
            "run": entry.run,
            "GPUs": str(entry.gpus),
            "GiB on each": number(entry.gpu_gib),
            "cores": str(entry.cores),
            "memory, MB": f"{entry.memory_mb:,}",
            "time limit, h": number(entry.minutes / 60),
            "hours": number(entry.hours),
            "jobs in turn": _count(entry.jobs),
        }
        for entry in requests
    ]
    heading = f"One training on {machine.label}; hours are estimated, and one that is not done goes on in another job:"
    several = [f"{entry.run}: needs --set-resources train:gpu={entry.gpus}" for entry in requests if entry.gpus > 1]
    return _join(heading, _table(rows), "\n".join(several))


def unused_text(unused: Iterable[UnusedSplit]) -> str:
    """Lay out packed data that no study uses; empty if there are none."""
    rows = [{"used by no study": str(entry.folder), "GB": number(entry.bytes / GIGA)} for entry in unused]
    return f"{_table(rows)}\n`fbnet clean` removes them" if rows else ""


def number(value: float | None) -> str:
    """Format a number with three digits, or all before the point: `1,234`, `12.0`, `0.0123`, `<0.001`."""
    if value is None:
        return UNKNOWN
    if value < SMALLEST:
        return f"<{SMALLEST:g}" if value > 0 else "0"
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}"


def _memory(cost: StudyCost) -> str:
    machine = cost.hardware
    large = [run.run for run in cost.runs if not run.fits]
    if large:
        return f"memory: more than the {machine.memory_gib:g} GiB of {machine.label} for {', '.join(large)}"
    return f"memory: every training fits into {machine.memory_gib:g} GiB, as estimated" if cost.runs else ""


def _columns(label: str, amount: Amount) -> dict[str, str]:
    return {label: number(amount.in_all), "left": number(amount.left)}


def _raw_data(entry: DataPlan) -> str:
    if entry.drawn:
        return "drawn"
    if not entry.missing:
        return "there"
    first, *others = entry.missing
    return f"missing: {first}" + (f" and {len(others)} more" if others else "")


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _progress(jobs: Iterable[Jobs]) -> str:
    jobs = list(jobs)
    needed, done = sum(len(job.needed) for job in jobs), sum(len(job.done) for job in jobs)
    return f"{done} of {needed}" if needed else NONE


def _numbers(names: Iterable[str]) -> str:
    """Numbers of the paper's tables or figures, `1, 3` for table_1 and table_3, and names of other tables."""
    return ", ".join(name.removeprefix("table_").removeprefix("figure_") for name in names) or NONE


def _table(rows: list[dict[str, str]]) -> str:
    if not rows:
        return ""
    align = ["right" if name in NUMBERS else "left" for name in rows[0]]
    return tabulate(rows, headers="keys", disable_numparse=True, colalign=align)


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
