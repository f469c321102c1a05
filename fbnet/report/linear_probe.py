"""How well a linear probe tells foreground from background, stage by stage. NOTE not one of the paper's figures."""

from fbnet.config.study import Study
from fbnet.report import captions
from fbnet.report.canvas import MARGIN, WIDTH, FigureCanvas
from fbnet.report.measurements import MeasuredPair, require_pair
from fbnet.report.series import BASELINE, FBNET, draw_gains, draw_series, style

HEIGHT, BELOW, LEFT, BETWEEN = 2.0, 0.75, 0.5, 0.6
ALL = "foreground"


def draw(study: Study, title: str) -> FigureCanvas:
    """Draw the area under the ROC curve by stage, and its gain by class at the deepest stage.

    Raises InputError for missing or damaged measurements.
    """
    pair = require_pair(study)
    stages = tuple(pair.baseline[0].probe)
    classes = [ALL, *(name for name in study.data.labels.foreground if _occurs(pair, stages[-1], name))]
    canvas = FigureCanvas(MARGIN + HEIGHT + BELOW, _caption(study, title, pair, stages[-1]))
    width = (WIDTH - 2 * LEFT - BETWEEN) / 2

    by_stage = [pair.compare(lambda found, stage=stage: 100 * found.probe[stage][ALL]) for stage in stages]
    axes = canvas.axes(LEFT, MARGIN, width, HEIGHT)
    draw_series(
        axes, [found.baseline for found in by_stage], BASELINE, study.run(study.figure_runs.baseline).label, -0.06
    )
    draw_series(axes, [found.fbnet for found in by_stage], FBNET, study.run(study.figure_runs.fbnet).label, 0.06)
    style(axes, stages, "features after stage", "area under the ROC curve, percent")
    axes.legend(frameon=False)

    last = [pair.compare(lambda found, name=name: 100 * found.probe[stages[-1]][name]) for name in classes]
    axes = canvas.axes(2 * LEFT + BETWEEN + width - MARGIN, MARGIN, width, HEIGHT)
    draw_gains(axes, [found.gain for found in last])
    style(axes, classes, "", f"gain after {stages[-1]}, percentage points")
    axes.tick_params(axis="x", rotation=40)
    return canvas


def _occurs(pair: MeasuredPair, stage: str, name: str) -> bool:
    return all(found.probe[stage][name] is not None for found in (*pair.baseline, *pair.fbnet))


def _caption(study: Study, title: str, pair: MeasuredPair, stage: str) -> str:
    return (
        f"{title}. After each stage, and after FBNet where it follows one, a logistic regression is fitted to features "
        "of training images, and scores the pixels of evaluation images; the area under its ROC curve is the "
        "probability that a foreground pixel scores higher than a background pixel, 50 percent by chance. Right: the "
        f"gain by FBNet after {stage}, for all foreground classes and for the pixels of each against the background. "
        f"{captions.paired_source(study, pair.seeds)}"
    )
