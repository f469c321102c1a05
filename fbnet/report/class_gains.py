"""Gain of each class between the two runs of a study's figures, over all seeds. NOTE not one of the paper's figures."""

from matplotlib.axes import Axes

from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.report import captions
from fbnet.report.canvas import DARK, MARGIN, WIDTH, FigureCanvas
from fbnet.report.cells import Cell
from fbnet.report.tables import measured_cells

NAMES_LEFT = 1.3
ROW = 0.2
AXIS_BELOW = 0.42
MEANS = {"miou_gain": "mIoU", "f_miou_gain": "f-mIoU"}
FOREGROUND, BACKGROUND = "#c2571a", "#1f5a94"


def draw(study: Study, title: str) -> FigureCanvas:
    """Draw mean and 95 % interval of each class's gain. Raises InputError for damaged or missing metrics."""
    labels, run, baseline = study.data.labels, study.figure_runs.fbnet, study.figure_runs.baseline
    if study.run(run).baseline != baseline:
        raise InputError(
            f"figure_runs: {baseline} is not the baseline of {run}; name that one, or leave the figure out"
        )
    columns = (*MEANS, *(f"{name}_gain" for name in labels.classes))
    cells = measured_cells(study, run, columns)
    if cells["miou_gain"].mean is None:
        raise InputError(f"{run}: no seed is evaluated with and without it yet; evaluate both runs")
    canvas = FigureCanvas(MARGIN + ROW * len(columns) + AXIS_BELOW, _caption(study, title, cells["miou_gain"].seeds))
    axes = canvas.axes(NAMES_LEFT, MARGIN, WIDTH - NAMES_LEFT - 2 * MARGIN, ROW * len(columns))
    for row, column in enumerate(columns):
        name = column.removesuffix("_gain")
        colour = DARK if column in MEANS else FOREGROUND if name in labels.foreground else BACKGROUND
        _point(axes, row, cells[column], colour)
    _style(axes, [MEANS.get(column, column.removesuffix("_gain")) for column in columns], set(labels.foreground))
    return canvas


def _point(axes: Axes, row: int, cell: Cell, colour: str) -> None:
    if cell.mean is None:  # the class occurs in no label and no prediction
        return
    axes.errorbar(cell.mean, row, xerr=cell.half_width, fmt="o", color=colour, markersize=4, linewidth=1, capsize=2)


def _style(axes: Axes, names: list[str], foreground: set[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() in foreground else "normal")
    axes.axvline(0, color=DARK, linewidth=0.8)
    axes.axhline(len(MEANS) - 0.5, color="#bbbbbb", linewidth=0.5)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("gain in IoU, percentage points")
    axes.spines[["top", "right", "left"]].set_visible(False)


def _caption(study: Study, title: str, seeds: int) -> str:
    return (
        f"{title}: with FBNet minus without. A bar that crosses 0 is compatible with no gain; of many classes, one "
        f"in twenty misses its true value by chance. Foreground classes in bold. {captions.paired_source(study, seeds)}"
    )
