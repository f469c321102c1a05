"""Figure 2: confusion matrix of the baseline."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from fbnet.config.labels import LabelSpec
from fbnet.config.study import Study
from fbnet.report import captions
from fbnet.report.canvas import MARGIN, WIDTH, FigureCanvas
from fbnet.report.results import require_metrics

MAP = colormaps["Blues"]
NAMES_LEFT = 1.05
NAMES_BELOW = 0.95
BAR = 0.14
BAR_ROOM = 0.7  # for the colour bar and its tick labels
LEAST = 0.995  # percent; the smallest share that is printed


def draw(study: Study, title: str) -> FigureCanvas:
    """Draw the baseline's confusion matrix, each row in percent of the label's pixels. Raises InputError."""
    run, seed = study.figure_runs.baseline, study.settings.seeds[0]
    labels = study.data.labels
    shares = row_shares(np.array(require_metrics(study, run, seed).confusion_matrix))

    side = WIDTH - NAMES_LEFT - BAR_ROOM - MARGIN
    canvas = FigureCanvas(MARGIN + side + NAMES_BELOW, _caption(study, title))
    axes = canvas.axes(NAMES_LEFT, MARGIN, side, side)
    drawn = axes.imshow(shares, cmap=MAP, vmin=0, vmax=100)
    _annotate(axes, shares)
    name_axes(axes, labels)
    bar = canvas.axes(NAMES_LEFT + side + MARGIN, MARGIN, BAR, side)
    canvas.figure.colorbar(drawn, cax=bar, label="percent of the label's pixels")
    return canvas


def row_shares(matrix: np.ndarray) -> np.ndarray:
    """Return a (C, C) confusion matrix in percent of its row sums, float64; NaN in rows without pixels."""
    totals = matrix.sum(axis=1, keepdims=True)
    return np.divide(100.0 * matrix, totals, out=np.full(matrix.shape, np.nan), where=totals > 0)


def _annotate(axes: Axes, shares: np.ndarray) -> None:
    """Print every share of 1 % or more, and hatch the rows of absent classes."""
    size = len(shares)
    for row in range(size):
        if np.isnan(shares[row]).all():
            axes.add_patch(Rectangle((-0.5, row - 0.5), size, 1, facecolor="#e6e6e6", hatch="////", linewidth=0))
            continue
        for column in np.flatnonzero(shares[row] >= LEAST):
            share = shares[row, column]
            colour = readable_on(MAP(share / 100))
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=6.5, color=colour)


def readable_on(colour: tuple[float, ...]) -> str:
    """Return black or white, whichever contrasts more with an sRGB colour; equal at a relative luminance of 0.18."""
    luminance = np.array([0.2126, 0.7152, 0.0722]) @ np.array(colour[:3]) ** 2.2
    return "white" if luminance < 0.18 else "black"


def name_axes(axes: Axes, labels: LabelSpec) -> None:
    """Name the rows and columns of a confusion matrix, foreground classes in bold."""
    classes = labels.classes
    for axis, name, rotation in ((axes.xaxis, "prediction", 90), (axes.yaxis, "label", 0)):
        axis.set_label_text(name, fontsize=8)
        axis.set_ticks(range(len(classes)), classes, rotation=rotation)
        axis.set_ticks(np.arange(-0.5, len(classes)), minor=True)
        for index in labels.foreground_ids:
            axis.get_ticklabels()[index].set_fontweight("bold")
    axes.tick_params(which="both", length=0)
    axes.grid(which="minor", color="#d9d9d9", linewidth=0.4)


def _caption(study: Study, title: str) -> str:
    run = study.run(study.figure_runs.baseline)
    return (
        f"{title}, {run.label} ({run.id}): of each label's pixels (rows), the percentage predicted as each class "
        f"(columns); numbers from 1 % up. Foreground classes in bold; hatched: no pixel has this label. "
        f"{captions.figure_source(study)} {captions.comparison(study, study.data)}"
    )
