"""Drawing of means over seeds with their 95 % intervals, of the baseline, of FBNet and of the gain."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from fbnet.report.canvas import DARK

BASELINE, FBNET = "#1f5a94", "#c2571a"
GRID = "#e4e4e4"
STYLE = {"marker": "o", "markersize": 4, "linewidth": 1, "capsize": 2}

Estimate = tuple[float, float | None]
"""A mean and half the width of its interval; None of a single seed."""


def draw_series(axes: Axes, estimates: Sequence[Estimate], colour: str, label: str | None, shift: float) -> None:
    """Draw estimates at 0, 1, ... along x, joined by a line; shifted, so that two series do not hide each other."""
    places = [place + shift for place in range(len(estimates))]
    means, halves = zip(*estimates, strict=True)
    axes.errorbar(places, means, yerr=_bars(halves), color=colour, label=label, **STYLE)


def draw_gains(axes: Axes, estimates: Sequence[Estimate]) -> None:
    """Draw gains at 0, 1, ... along x, with a line at 0."""
    means, halves = zip(*estimates, strict=True)
    axes.axhline(0, color=DARK, linewidth=0.8)
    axes.errorbar(range(len(means)), means, yerr=_bars(halves), color=DARK, **STYLE | {"linewidth": 0}, elinewidth=1)


def style(axes: Axes, names: Sequence[str], x_label: str, y_label: str) -> None:
    """Name the places along x, and both axes."""
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(axis="y", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _bars(halves: Sequence[float | None]) -> list[float] | None:
    return None if None in halves else list(halves)
