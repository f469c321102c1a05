"""IoU by size of objects and by distance to the boundary of the foreground. NOTE not one of the paper's figures."""

from collections.abc import Callable

import numpy as np

from fbnet.config.labels import LabelSpec
from fbnet.config.study import Study
from fbnet.evaluation.metrics import class_iou
from fbnet.report import captions
from fbnet.report.canvas import MARGIN, WIDTH, FigureCanvas
from fbnet.report.measurements import Compared, MeasuredPair, Measurements, require_pair
from fbnet.report.series import BASELINE, FBNET, draw_gains, draw_series, style

HEIGHT, GAINS, BELOW, LEFT, BETWEEN = 1.7, 1.1, 0.5, 0.45, 0.45


def draw(study: Study, title: str) -> FigureCanvas:
    """Draw f-mIoU without and with FBNet above its gain. Raises InputError for missing or damaged measurements."""
    pair, spec = require_pair(study), study.data.labels
    first = pair.baseline[0]
    sides = [f"{area**0.5:.0f}²" for area in first.areas]
    sizes = [f"< {sides[0]}", *(f"– {side}" for side in sides[1:]), f"> {sides[-1]}"]
    distances = [
        f"≤ {first.distances[0]:g}",
        *(f"– {edge:g}" for edge in first.distances[1:]),
        f"> {first.distances[-1]:g}",
    ]
    panels = [
        ("area of the object, pixels", sizes, _by_size(spec)),
        ("distance to the boundary, pixels", distances, _by_distance(spec)),
    ]
    canvas = FigureCanvas(MARGIN + HEIGHT + MARGIN + GAINS + BELOW, _caption(study, title, pair))
    width = (WIDTH - 2 * LEFT - BETWEEN) / 2
    for column, (x_label, names, number) in enumerate(panels):
        found = [pair.compare(number(place)) for place in range(len(names))]
        left = LEFT + column * (width + LEFT + BETWEEN - MARGIN)
        _draw_panel(canvas, study, found, left, width, names, x_label)
    return canvas


def _draw_panel(
    canvas: FigureCanvas, study: Study, found: list[Compared], left: float, width: float, names: list[str], x_label: str
) -> None:
    axes = canvas.axes(left, MARGIN, width, HEIGHT)
    draw_series(axes, [entry.baseline for entry in found], BASELINE, study.run(study.figure_runs.baseline).label, -0.06)
    draw_series(axes, [entry.fbnet for entry in found], FBNET, study.run(study.figure_runs.fbnet).label, 0.06)
    style(axes, names, "", "f-mIoU, percent")
    axes.tick_params(axis="x", labelbottom=False)
    axes.legend(frameon=False)
    axes = canvas.axes(left, 2 * MARGIN + HEIGHT, width, GAINS)
    draw_gains(axes, [entry.gain for entry in found])
    style(axes, names, x_label, "gain, points")


def _by_distance(spec: LabelSpec) -> Callable[[int], Callable[[Measurements], float]]:
    """Percentage of a band: mean IoU of the foreground classes with pixels in it, on the band's pixels alone."""

    def of_band(band: int) -> Callable[[Measurements], float]:
        def percentage(found: Measurements) -> float:
            confusion = np.array(found.confusion_by_distance[band])
            labelled = [index for index in spec.foreground_ids if confusion[index].any()]
            return 100 * float(class_iou(confusion)[labelled].mean())

        return percentage

    return of_band


def _by_size(spec: LabelSpec) -> Callable[[int], Callable[[Measurements], float]]:
    """Percentage of a size: mean IoU of the foreground classes with objects of this size."""

    def of_size(size: int) -> Callable[[Measurements], float]:
        def percentage(found: Measurements) -> float:
            counts = found.counts_by_size
            true, missed, false = (np.array(kind[size]) for _, kind in counts)
            labelled = [index for index in spec.foreground_ids if true[index] + missed[index]]
            return 100 * float((true / np.maximum(true + missed + false, 1))[labelled].mean())

        return percentage

    return of_size


def _caption(study: Study, title: str, pair: MeasuredPair) -> str:
    return (
        f"{title}: mean IoU of the foreground classes. Left: an object is a connected region of one class in the "
        "labels, and a pixel wrongly predicted as a class counts for its nearest object of this class. Right: pixels "
        "by their distance to the nearest pixel across the boundary between foreground and background, so that the "
        "first band holds what touches it. A size or band has the classes that occur in it. Below: the gain by FBNet. "
        f"{captions.paired_source(study, pair.seeds)}"
    )
