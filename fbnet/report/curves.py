"""Training curves from history.csv: loss of each run over its epochs, on one scale for all runs."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from fbnet.errors import InputError
from fbnet.io.text import read_text
from fbnet.report.canvas import STYLE
from fbnet.training.history import EpochRecord

SIZE = (2.7, 1.75)  # inches
LOSS_COLOUR = "#1f5a94"
BALANCE_COLOUR = "#c2571a"
FAINT = "#dfe3e8"
LARGEST = 1e30  # larger values would overflow while drawing

History = tuple[EpochRecord, ...]


def read_history(path: Path) -> History | None:
    """Return the epochs of a training; None if there is no file. Raises InputError for a damaged one."""
    if not path.is_file():
        return None
    problem, hint = "not a history as `fbnet train` writes it", "delete it and train again"
    text = read_text(path, hint, problem)
    try:
        return tuple(_record(row) for row in csv.DictReader(io.StringIO(text)))
    except (ValueError, KeyError, csv.Error) as error:
        raise InputError(f"{path}: {problem} ({error}); {hint}") from None


def _record(row: dict[str, str | None]) -> EpochRecord:
    """Parse one line. Raises ValueError or KeyError for a malformed one."""
    kinds = {entry.name: entry.type for entry in fields(EpochRecord)}
    if row.keys() != kinds.keys() or None in row.values():
        raise ValueError(f"a line without {', '.join(kinds)}")
    record = EpochRecord(**{name: kinds[name](value) for name, value in row.items()})
    if not all(abs(value) <= LARGEST for value in vars(record).values()):
        raise ValueError("a value that is not a finite number")
    return record


def loss_range(histories: Iterable[History]) -> tuple[float, float]:
    """Return the padded range of all positive losses, shared by all panels; (0.1, 1) without any."""
    records = [record for history in histories for record in history]
    positive = [loss for record in records for loss in (record.loss, record.balance_loss) if loss > 0]
    return (min(positive) / 1.15, max(positive) * 1.15) if positive else (0.1, 1.0)


def draw_curves(histories: Mapping[int, History], limits: tuple[float, float]) -> bytes:
    """Return loss and balance loss (Eq. 8) over the epochs as SVG, deterministic to the byte.

    Args:
        histories: epochs by seed, drawn as one line each.
        limits: range of the logarithmic loss axis.
    """
    with matplotlib.rc_context(STYLE | {"svg.fonttype": "path"}):  # outlines need no font
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        for history in histories.values():
            _line(axes, history, "loss", LOSS_COLOUR)
            _line(axes, history, "balance_loss", BALANCE_COLOUR)
        _style_axes(axes, limits, max(history[-1].epoch for history in histories.values()))
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _line(axes: Axes, history: History, loss: str, colour: str) -> None:
    points = [(record.epoch, getattr(record, loss)) for record in history if getattr(record, loss) > 0]
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1, marker="." if len(points) == 1 else "")


def _style_axes(axes: Axes, limits: tuple[float, float], epochs: int) -> None:
    axes.set(yscale="log", xlim=(0, 1.03 * epochs), ylim=limits, xlabel="epoch")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=(1, 2, 5, 10)))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
