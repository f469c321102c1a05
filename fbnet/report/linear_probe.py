"""How well a linear probe tells foreground from background, stage by stage. NOTE not one of the paper's figures."""

from matplotlib.axes import Axes

from fbnet.config.study import Study
from fbnet.report import captions
from fbnet.report.canvas import MARGIN, WIDTH, FigureCanvas
from fbnet.report.measurements import Compared, MeasuredPair, require_pair
from fbnet.report.numbers import typeset
from fbnet.report.series import BASELINE, FBNET, draw_series, style

COLUMNS = 4
LEFT, HEADER, HEIGHT, BELOW, GAP = 0.5, 0.22, 1.25, 0.25, 0.12
ALL = "foreground"


def draw(study: Study, title: str) -> FigureCanvas:
    """Draw the area under the ROC curve by stage, for all foreground classes and for each.

    Raises InputError for missing or damaged measurements.
    """
    pair = require_pair(study)
    stages = tuple(pair.baseline[0].probe)
    names = [ALL, *(name for name in study.data.labels.foreground if _occurs(pair, stages[-1], name))]
    found = {name: [pair.compare(_percentage(stage, name)) for stage in stages] for name in names}
    rows = -(-len(names) // COLUMNS)
    canvas = FigureCanvas(rows * (HEADER + HEIGHT + BELOW), _caption(study, title, pair, stages[-1]))
    width = (WIDTH - LEFT - MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
    limits = _limits(found)
    for index, (name, compared) in enumerate(found.items()):
        row, column = divmod(index, COLUMNS)
        top = row * (HEADER + HEIGHT + BELOW) + HEADER
        axes = canvas.axes(LEFT + column * (width + GAP), top, width, HEIGHT)
        _draw_panel(axes, study, compared, stages)
        axes.set_title("all foreground" if name == ALL else name, fontsize=8, pad=3)
        axes.set_ylim(limits)
        axes.tick_params(axis="y", labelleft=column == 0)
        axes.set_ylabel("area under ROC, %" if column == 0 else "")
        if index == 0:
            axes.legend(frameon=False, loc="lower right", borderaxespad=0.2)
    return canvas


def _draw_panel(axes: Axes, study: Study, compared: list[Compared], stages: tuple[str, ...]) -> None:
    runs = study.figure_runs
    draw_series(axes, [entry.baseline for entry in compared], BASELINE, study.run(runs.baseline).label, -0.08)
    draw_series(axes, [entry.fbnet for entry in compared], FBNET, study.run(runs.fbnet).label, 0.08)
    style(axes, stages, "", "")
    mean, half = compared[-1].gain
    interval = "" if half is None else f" ± {half:.1f}"
    axes.text(0.03, 0.97, typeset(mean, signed=True) + interval, transform=axes.transAxes, va="top", fontsize=7)


def _percentage(stage: str, name: str):
    return lambda found: 100 * found.probe[stage][name]


def _limits(found: dict[str, list[Compared]]) -> tuple[float, float]:
    """The range of all means, with room for intervals and the gain's text."""
    means = [mean for compared in found.values() for entry in compared for mean, _ in (entry.baseline, entry.fbnet)]
    low, high = min(means), max(means)
    room = 0.12 * (high - low) + 1
    return low - room, high + 1.5 * room


def _occurs(pair: MeasuredPair, stage: str, name: str) -> bool:
    return all(found.probe[stage][name] is not None for found in (*pair.baseline, *pair.fbnet))


def _caption(study: Study, title: str, pair: MeasuredPair, stage: str) -> str:
    return (
        f"{title}. After each stage, and after FBNet where it follows one, a logistic regression is fitted to features "
        "of training images, and scores the pixels of evaluation images; the area under its ROC curve is the "
        "probability that a foreground pixel, or one of this class, scores higher than a background pixel, 50 percent "
        f"by chance. Numbers: the gain by FBNet after {stage} in percentage points, with half of its 95 % interval. "
        f"{captions.paired_source(study, pair.seeds)}"
    )
