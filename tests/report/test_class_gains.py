"""The figure of each class's gain, against values worked out by hand."""

import math

import matplotlib
import pytest
import yaml

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.provenance.graph import Result, build_graph
from fbnet.report import class_gains
from fbnet.report.canvas import STYLE
from tests.made_up_results import write_metrics

BASELINE, RUN = "fcn_r50", "fcn_r50_fbnet"


def study_of(figure_runs):
    path = paths.study_file("trio")
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"figures": ["class_gains"], "figure_runs": figure_runs}))
    return load_study("trio")


@pytest.fixture
def study(project):
    return study_of({"baseline": BASELINE, "fbnet": RUN})


def write(study, gains):
    for seed, gain in gains.items():
        write_metrics(study, BASELINE, seed, iou={"pole": 0.25, "rider": None})
        write_metrics(study, RUN, seed, iou={"pole": 0.25 + gain, "rider": None})


def points(study):
    """Position and half width of each class that is drawn."""
    with matplotlib.rc_context(STYLE):
        (axes,) = class_gains.draw(study, "Class gains").figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    found = {}
    for container in axes.containers:
        (line, _, bars) = container.lines
        (x,), (y,) = line.get_xdata(), line.get_ydata()
        ends = bars[0].get_segments()[0][:, 0] if bars else (x, x)
        found[names[int(y)]] = (x, (ends[1] - ends[0]) / 2)
    return found


def test_means_and_intervals(study):
    write(study, {0: 0.01, 1: 0.03, 2: 0.05})
    mean, half = points(study)["pole"]
    assert mean == pytest.approx(3)
    assert half == pytest.approx(4.3027 * 2 / math.sqrt(3), rel=1e-4)  # Student's t of two degrees of freedom


def test_a_class_that_is_absent_has_no_point(study):
    write(study, {0: 0.01, 1: 0.03, 2: 0.05})
    assert "rider" not in points(study)
    assert {"mIoU", "f-mIoU", "road"} < points(study).keys()


def test_one_seed_has_no_interval(study):
    write(study, {0: 0.01})
    assert points(study)["pole"] == (pytest.approx(1), 0)


def test_is_made_of_all_seeds(study):
    inputs = build_graph(study)[Result("figure", "class_gains")].inputs
    assert {entry.name for entry in inputs} == {f"{run}/seed{seed}" for run in (BASELINE, RUN) for seed in (0, 1, 2)}


def test_without_results(study):
    with pytest.raises(InputError, match="evaluate both runs"):
        points(study)


def test_of_runs_that_are_no_pair(project):
    study = study_of({"baseline": "pspnet_r50", "fbnet": RUN})
    with pytest.raises(InputError, match="is not the baseline of fcn_r50_fbnet"):
        points(study)
