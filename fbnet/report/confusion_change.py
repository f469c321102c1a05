"""Change of the confusion matrix by FBNet: Figure 2 as a difference. NOTE not one of the paper's figures."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.report import captions
from fbnet.report.canvas import MARGIN, WIDTH, FigureCanvas
from fbnet.report.confusion import BAR, BAR_ROOM, NAMES_BELOW, NAMES_LEFT, name_axes, readable_on, row_shares
from fbnet.report.numbers import typeset
from fbnet.report.pairs import read_pairs
from fbnet.report.results import read_metrics
from fbnet.report.statistics import mean_and_half_width

MAP = colormaps["RdBu_r"]
LEAST = 0.095  # percentage points; the smallest change that is printed


def draw(study: Study, title: str) -> FigureCanvas:
    """Draw the mean change of each share over paired seeds. Raises InputError for missing or damaged metrics."""
    before, after = _pairs(study)
    changes = after - before  # (seeds, C, C)
    labels = study.data.labels
    canvas_side = WIDTH - NAMES_LEFT - BAR_ROOM - MARGIN
    canvas = FigureCanvas(MARGIN + canvas_side + NAMES_BELOW, _caption(study, title, before, changes))
    axes = canvas.axes(NAMES_LEFT, MARGIN, canvas_side, canvas_side)
    mean = changes.mean(axis=0)
    largest = max(1.0, float(np.nanmax(np.abs(mean))))
    drawn = axes.imshow(mean, cmap=MAP, vmin=-largest, vmax=largest)
    _annotate(axes, changes, largest)
    name_axes(axes, labels)
    bar = canvas.axes(NAMES_LEFT + canvas_side + MARGIN, MARGIN, BAR, canvas_side)
    canvas.figure.colorbar(drawn, cax=bar, label="percentage points of the label's pixels")
    return canvas


def _pairs(study: Study) -> tuple[np.ndarray, np.ndarray]:
    """Confusion in percent of the label's pixels, (seeds, C, C), of the baseline and of FBNet with the same seeds."""
    runs = study.figure_runs
    pairs = read_pairs(study, read_metrics)
    if not pairs:
        raise InputError(f"{runs.baseline}, {runs.fbnet}: no seed is evaluated in both yet; evaluate both runs")
    before, after = (
        np.stack([row_shares(np.array(metrics.confusion_matrix)) for metrics in side])
        for side in zip(*pairs, strict=True)
    )
    return before, after


def _annotate(axes: Axes, changes: np.ndarray, largest: float) -> None:
    """Print every change, in bold if its interval excludes 0."""
    for row, column in np.ndindex(changes.shape[1:]):
        mean, half = mean_and_half_width(changes[:, row, column])
        if abs(mean) >= LEAST:
            certain = half is not None and abs(mean) > half
            colour = readable_on(MAP(0.5 + mean / largest / 2))
            weight = "bold" if certain else "normal"
            text = typeset(mean, signed=True)
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour, weight=weight)


def _caption(study: Study, title: str, before: np.ndarray, changes: np.ndarray) -> str:
    ids = list(study.data.labels.foreground_ids)
    lost = [_to_background(shares, ids) for shares in before]
    less = [_to_background(change, ids) for change in changes]
    lost_mean, _ = mean_and_half_width(lost)
    mean, half = mean_and_half_width(less)
    interval = () if half is None else (mean - half, mean + half)
    change, *ends = (typeset(value, 2, signed=True) for value in (mean, *interval))
    stated = f"{change} [{', '.join(ends)}]" if ends else change
    return (
        f"{title}: of each label's pixels (rows), the percentage predicted as each class (columns), with FBNet minus "
        f"without. Numbers in bold: the 95 % interval by Student's t excludes 0; of many cells one in twenty does so "
        f"by chance. As the mean over foreground classes, {lost_mean:.1f} percent of their pixels are predicted as "
        f"background without FBNet; with it this changes by {stated} percentage points. "
        f"{captions.paired_source(study, len(changes), bars=False)}"
    )


def _to_background(shares: np.ndarray, foreground_ids: list[int]) -> float:
    """Mean over the foreground classes that occur of the share of their pixels that goes to background classes."""
    rows = np.delete(shares[foreground_ids], foreground_ids, axis=1).sum(axis=1)
    return float(np.nanmean(rows))
