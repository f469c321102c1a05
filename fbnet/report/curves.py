"""Training curves: loss of each run over its epochs, on one scale for all runs."""

import io
from collections.abc import Iterable, Mapping

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from fbnet.report.canvas import STYLE
from fbnet.report.histories import History

SIZE = (2.7, 1.75)  # inches
LOSS_COLOUR = "#1f5a94"
BALANCE_COLOUR = "#c2571a"
FAINT = "#dfe3e8"


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
