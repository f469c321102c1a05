"""The figures of feature camouflage, against values worked out by hand."""

import math

import matplotlib
import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.provenance.graph import Result, build_graph, of_run
from fbnet.report import confusion_change, intensity, linear_probe, size_and_distance
from fbnet.report.canvas import STYLE
from fbnet.report.measurements import require_pair
from tests.made_up_results import write_metrics
from tests.report.measured import BANDS, BASELINE, RUN, SIZES, measured_study, write

POLE, CAR, ROAD = map(CITYSCAPES.classes.index, ("pole", "car", "road"))
T = 4.3027 / math.sqrt(3)  # half the interval of three values of deviation 1


@pytest.fixture
def study(project):
    return measured_study()


def write_all(study, seeds=(0, 1, 2)):
    for seed in seeds:
        write(study, BASELINE, seed)
        write(study, RUN, seed)


def probes(area):
    """Areas of the probes, with this one for all foreground classes after res5."""
    areas = {stage: dict.fromkeys(["foreground", *CITYSCAPES.foreground], 0.5) for stage in ("res4", "res5")}
    areas["res5"]["foreground"] = area
    return {"probe": areas}


def drawn(module, study):
    """Means and half widths of each series of each axes of a figure."""
    with matplotlib.rc_context(STYLE):
        canvas = module.draw(study, "Title")
        canvas.files()
    return [[_estimates(found) for found in axes.containers] for axes in canvas.figure.axes]


def _estimates(container: ErrorbarContainer):
    line, _, bars = container.lines
    along = 0 if container.has_xerr else 1
    means = (line.get_xdata(), line.get_ydata())[along]
    ends = [segment[:, along] for segment in bars[0].get_segments()] if bars else [(mean, mean) for mean in means]
    return [(float(mean), float(high - low) / 2) for mean, (low, high) in zip(means, ends, strict=True)]


def texts(axes):
    return {(round(text.get_position()[1]), round(text.get_position()[0])): text for text in axes.texts}


def test_linear_probe(study):
    for seed, gain in enumerate((0.01, 0.02, 0.03)):
        write(study, BASELINE, seed, **probes(0.8))
        write(study, RUN, seed, **probes(0.8 + gain))
    (baseline, fbnet), *classes = drawn(linear_probe, study)
    assert baseline == [(50, 0), (pytest.approx(80), pytest.approx(0, abs=1e-9))]
    assert fbnet[1] == (pytest.approx(82), pytest.approx(T, rel=1e-3))
    assert len(classes) == len(CITYSCAPES.foreground)
    assert classes[0] == [[(50, 0), (50, 0)]] * 2
    first = linear_probe.draw(study, "Title").figure.axes[0]
    assert [text.get_text() for text in first.texts] == ["+2.0 ± 2.5"]


def test_a_class_without_pixels_has_no_probe(study):
    write_all(study)
    areas = probes(0.5)
    areas["probe"]["res5"]["train"] = None
    write(study, RUN, 1, **areas)
    assert len(drawn(linear_probe, study)) == len(CITYSCAPES.foreground)


def test_intensity_is_the_mean_of_each_images_ratio(study):
    write_all(study)
    (found,) = drawn(intensity, study)
    # res4 and res5 of both runs, and X_o: (2 + 3) / 2 of the two images, not (2 + 3) / (1 + 1) of other weights
    assert [mean for ((mean, _),) in found] == [1, 1, 2.5, 2.5, 4]


def test_confusion_change(study):
    """Poles lose 10, 20 and 30 percent to road without FBNet, none with it: -20 [-44.8, 4.8]; cars always lose 10."""
    size = len(CITYSCAPES.classes)
    for seed, lost in enumerate((10, 20, 30)):
        before, after = 100 * np.eye(size, dtype=int), 100 * np.eye(size, dtype=int)
        before[POLE, [POLE, ROAD]], before[CAR, [CAR, ROAD]] = (100 - lost, lost), (90, 10)
        write_metrics(study, BASELINE, seed, matrix=before.tolist())
        write_metrics(study, RUN, seed, matrix=after.tolist())
    with matplotlib.rc_context(STYLE):
        figure = confusion_change.draw(study, "Title").figure
    shown = texts(figure.axes[0])
    assert {place: text.get_text() for place, text in shown.items()} == {
        (POLE, POLE): "+20.0",
        (POLE, ROAD): "−20.0",
        (CAR, CAR): "+10.0",
        (CAR, ROAD): "−10.0",
    }
    assert [shown[place].get_weight() for place in ((POLE, ROAD), (CAR, ROAD))] == ["normal", "bold"]
    caption = " ".join(figure.texts[0].get_text().split())
    classes = len(CITYSCAPES.foreground)
    assert f"{30 / classes:.1f} percent of their pixels" in caption
    assert f"changes by −{30 / classes:.2f} [" in caption


def test_confusion_change_without_a_pair(study):
    write_metrics(study, BASELINE, 0)
    write_metrics(study, RUN, 1)
    with pytest.raises(InputError, match="evaluate both runs"):
        confusion_change.draw(study, "Title")


def test_size_and_distance(study):
    """In the first band poles have 1 of 4 pixels right and no other class occurs; of the smallest size, 2 of 5."""
    size, write_none = len(CITYSCAPES.classes), [[0] * len(CITYSCAPES.classes)] * (SIZES - 1)
    band = np.zeros((size, size), dtype=int)
    band[POLE, [POLE, ROAD]] = 1, 3
    of_class = [[0] * size for _ in range(3)]
    of_class[0][POLE], of_class[1][POLE], of_class[2][POLE] = 2, 2, 1
    names = ("true_positives", "false_negatives", "false_positives")
    counts = {name: [row, *write_none] for name, row in zip(names, of_class, strict=True)}
    for entries in counts.values():
        for row in entries[1:]:
            row[CAR] = 1  # a class in every other size
    for seed in range(3):
        bands = [band.tolist()] + [np.eye(size, dtype=int).tolist()] * (BANDS - 1)
        write(study, BASELINE, seed, confusion_by_distance=bands, counts_by_size=counts)
        write(study, RUN, seed)
    by_size, gain_by_size, by_distance, gain_by_distance = drawn(size_and_distance, study)
    assert [mean for mean, _ in by_size[0]] == pytest.approx([40] + [100 / 3] * 4)
    assert [mean for mean, _ in by_distance[0]] == pytest.approx([25] + [100] * 5)
    assert gain_by_size[0][0] == (pytest.approx(60), 0)
    assert gain_by_distance[0][0] == (pytest.approx(75), 0)


def test_pairs_are_of_the_same_seeds(study):
    write(study, BASELINE, 0)
    write(study, RUN, 1)
    with pytest.raises(InputError, match=r"no seed is measured in both yet.*fbnet measure --study trio"):
        require_pair(study)
    write(study, RUN, 0)
    pair = require_pair(study)
    assert [entry.seed for entry in (*pair.baseline, *pair.fbnet)] == [0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 5}, "seed: is 5, but the study says 0"),
        ({"classes": ["road"]}, "confusion_by_distance: must have a row and a column"),
        ({"areas": [100]}, "counts_by_size.true_positives: must have"),
        ({"probe": {"res5": "high"}}, "probe.res5"),
    ],
)
def test_damaged_measurements(study, changes, message):
    write_all(study)
    path = write(study, BASELINE, 0, **changes)
    with pytest.raises(InputError) as refused:
        require_pair(study)
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)
    assert "fbnet measure --study trio --run fcn_r50 --seed 0" in str(refused.value)


def test_measurements_are_made_for_the_figures_alone(study):
    graph = build_graph(study)
    measured = [result for result in graph.nodes if result.kind == "measure"]
    assert measured == [of_run("measure", run, seed) for run in (BASELINE, RUN) for seed in (0, 1, 2)]
    assert graph[Result("figure", "intensity")].inputs == tuple(measured)
    assert {entry.kind for entry in graph[Result("figure", "confusion_change")].inputs} == {"evaluate"}
    inputs = [entry.kind for entry in graph[measured[0]].inputs]
    assert inputs == ["train", "prepare", "prepare"]
    assert not any(result.kind == "measure" for result in build_graph(load_study("demo")).nodes)
