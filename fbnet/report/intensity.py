"""Magnitude of features on foreground over that on background: Figure 7 in numbers. NOTE not one of the paper's."""

from collections.abc import Callable

import numpy as np

from fbnet.config.study import Study
from fbnet.report import captions
from fbnet.report.canvas import DARK, MARGIN, WIDTH, FigureCanvas
from fbnet.report.measurements import MeasuredPair, Measurements, require_pair
from fbnet.report.series import BASELINE, FBNET, GRID, STYLE
from fbnet.report.statistics import mean_and_half_width

ROW, BELOW, NAMES = 0.2, 0.42, 2.1
MIDDLE = (10, 90)  # percentiles of images


def draw(study: Study, title: str) -> FigureCanvas:
    """Draw a row for the features of each stage, and for X_o. Raises InputError for missing or damaged measurements."""
    pair = require_pair(study)
    rows = _rows(study, pair)
    canvas = FigureCanvas(MARGIN + ROW * len(rows) + BELOW, _caption(study, title, pair))
    axes = canvas.axes(NAMES, MARGIN, WIDTH - NAMES - 2 * MARGIN, ROW * len(rows))
    for place, (_, colour, ratios) in enumerate(rows):
        mean, half = mean_and_half_width([seed.mean() for seed in ratios])
        axes.plot(np.percentile(np.concatenate(ratios), MIDDLE), [place, place], color=colour, alpha=0.3, linewidth=4)
        axes.errorbar(mean, place, xerr=half, color=colour, **STYLE)
    axes.axvline(1, color=DARK, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("mean magnitude on foreground / on background")
    return canvas


def _rows(study: Study, pair: MeasuredPair) -> list[tuple[str, str, list[np.ndarray]]]:
    """Name, colour and, for each seed, the ratio of each image."""
    baseline, fbnet = (study.run(run).label for run in (study.figure_runs.baseline, study.figure_runs.fbnet))
    rows = []
    for stage, kinds in pair.fbnet[0].intensity.items():
        original = _ratios(stage, "original")
        rows.append((f"{stage}, {baseline}", BASELINE, list(map(original, pair.baseline))))
        rows.append((f"{stage}, {fbnet}", FBNET, list(map(original, pair.fbnet))))
        if "modulated" in kinds:
            rows.append((f"{stage}, {fbnet}: $X_o$", FBNET, list(map(_ratios(stage, "modulated"), pair.fbnet))))
    return rows


def _ratios(stage: str, kind: str) -> Callable[[Measurements], np.ndarray]:
    def of_images(found: Measurements) -> np.ndarray:
        foreground, background = np.array(found.intensity[stage][kind]).T
        return foreground / background

    return of_images


def _caption(study: Study, title: str, pair: MeasuredPair) -> str:
    images = len(next(iter(pair.fbnet[0].intensity.values()))["original"])
    return (
        f"{title}: the mean over channels of the features' magnitude, averaged over the foreground pixels of an image, "
        "divided by that over its background pixels. Features as a stage computes them, and X_o as FBNet modulates "
        f"them. Points: mean over {images} images and all seeds; faint lines: the middle 80 percent of images. "
        f"{captions.paired_source(study, pair.seeds)}"
    )
