import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.errors import InputError
from fbnet.report import balance_maps, confusion, predictions
from fbnet.report.balance_maps import foreground_background_means, visible_map
from fbnet.report.canvas import STYLE
from fbnet.report.confusion import row_shares
from fbnet.report.figures import write_figure
from fbnet.report.results import Sample
from tests.made_up_results import street, write_metrics, write_samples, write_street_samples

FIGURES = ("figure_1", "figure_2", "figure_7")


@pytest.fixture
def study(demo):
    matrix = np.full((19, 19), 2) + 60 * np.eye(19, dtype=int)
    matrix[3] = 0  # no pixel is a wall
    write_metrics(demo, demo.figure_runs.baseline, 0, matrix=matrix.tolist())
    write_street_samples(demo)
    return demo


def svg_texts(study, figure):
    root = ElementTree.parse(paths.figure_files(study.name, figure)[1]).getroot()
    return ["".join(element.itertext()).strip() for element in root.iter("{http://www.w3.org/2000/svg}text")]


def caption(study, figure):
    texts = svg_texts(study, figure)
    start = next(index for index, text in enumerate(texts) if text.startswith("Figure "))
    return " ".join(" ".join(texts[start:]).split())


@pytest.mark.parametrize("figure", FIGURES)
def test_files_are_there_readable_and_the_same_each_time(study, figure):
    write_figure(study, figure)
    files = paths.figure_files("demo", figure)
    first = [path.read_bytes() for path in files]
    assert Image.open(files[0]).size[0] == 1440  # 7.2 inches at 200 dpi
    assert sorted(path.name for path in files[0].parent.iterdir()) == sorted(path.name for path in files)
    write_figure(study, figure)
    assert [path.read_bytes() for path in files] == first


def test_figure_2_names_every_class_twice(study):
    write_figure(study, "figure_2")
    texts = svg_texts(study, "figure_2")
    assert [texts.count(name) for name in CITYSCAPES.classes] == [2] * 19
    assert texts.count("63") == 18  # 62 of 98 pixels, on the diagonal but for the wall
    assert texts.count("2") == 18 * 18
    assert "not comparable with the paper's" in caption(study, "figure_2")


def test_rows_of_a_confusion_matrix_add_up_to_100():
    shares = row_shares(np.array([[3, 1], [0, 0]]))
    assert shares[0].tolist() == [75, 25]
    assert np.isnan(shares[1]).all()


def test_figure_1_counts_and_chooses(study):
    write_figure(study, "figure_1")
    texts = svg_texts(study, "figure_1")
    assert {"Image", "Label", "DeepLabv3+", "DeepLabv3+ + FBNet"} <= set(texts)
    assert {"road", "building", "sky", "car", "ignored"} <= set(texts)
    assert "bus" not in texts
    words = caption(study, "figure_1")
    assert "3 samples of 4 with the largest gain in foreground pixels: scene_0, scene_1, scene_2" in words
    assert "wins 960 foreground pixels and loses 0" in words  # 4 cars of 12 x 20
    assert "Dashed boxes" in words
    assert "seed 0, the study's first" in words


def test_figure_1_without_improvements_says_so(study):
    labels = [street(0)]
    right, wrong = np.where(labels[0] == 255, 0, labels[0]), np.zeros_like(labels[0])
    write_samples(study, study.figure_runs.baseline, 0, [right.astype(np.uint8)], labels)
    write_samples(study, study.figure_runs.fbnet, 0, [wrong], labels)
    write_figure(study, "figure_1")
    words = caption(study, "figure_1")
    assert "so no boxes" in words
    assert "wins 0 foreground pixels and loses 240" in words
    assert "#d7191c" not in paths.figure_files("demo", "figure_1")[1].read_text()


def test_figure_1_boxes_are_drawn(study):
    write_figure(study, "figure_1")
    svg = paths.figure_files("demo", "figure_1")[1].read_text()
    assert len(re.findall("stroke: #d7191c", svg)) == 9  # one car in three pictures of three samples


def test_figure_1_refuses_different_images(study):
    write_samples(study, study.figure_runs.fbnet, 0, [street(0) % 19], [street(0)])
    with pytest.raises(InputError, match="hold different images; evaluate both again"):
        write_figure(study, "figure_1")


def sample(label, balance):
    picture = np.zeros((*label.shape, 3), dtype=np.uint8)
    return Sample(name="a", image=picture, label=label, prediction=label, balance=balance)


def test_means_of_the_map_by_hand():
    label = np.zeros((16, 16), dtype=np.uint8)  # road above
    label[8:] = CITYSCAPES.classes.index("car")
    balance = np.array([[0, 0], [4, 4]], dtype=np.float32)
    # Bilinear from 0 at row 3.5 to 4 at row 11.5: rows 4 to 7 hold 0.25, 0.75, 1.25, 1.75, and those below mirror it.
    means = foreground_background_means([sample(label, balance)], CITYSCAPES.foreground_ids)
    assert means == pytest.approx((3.5, 0.5))
    label[:8, :8] = 255
    label[8:, 8:] = 255
    assert foreground_background_means([sample(label, balance)], CITYSCAPES.foreground_ids) == pytest.approx((3.5, 0.5))


def test_the_map_hides_ignored_pixels_and_ends_with_the_image():
    label = np.zeros((10, 12), dtype=np.uint8)
    label[0] = 255
    values = visible_map(sample(label, np.ones((2, 2), dtype=np.float32)))
    assert values.shape == (10, 12)
    assert values.mask.sum() == 12
    assert values.compressed().tolist() == [1.0] * 108


@pytest.mark.parametrize(("size", "bright"), [((3, 3), 2), ((2, 2), 4), ((1, 1), 12)])
def test_the_map_is_enlarged_by_the_stride_of_its_stage(size, bright):
    """Strides 4, 8 and 16: bilinear values are those of the first block up to its middle, half a stride."""
    label, balance = np.zeros((10, 12), dtype=np.uint8), np.zeros(size, dtype=np.float32)
    balance[0, 0] = 1
    values = visible_map(sample(label, balance))
    assert values.shape == (10, 12)
    assert (values[0] == 1).sum() == bright


def test_figure_7_states_the_means_whatever_they_are(study):
    label = np.zeros((16, 16), dtype=np.uint8)
    label[8:] = CITYSCAPES.classes.index("car")
    balance = np.array([[4, 4], [0, 0]], dtype=np.float32)  # weaker on the foreground
    write_samples(study, study.figure_runs.fbnet, 0, [label], [label], [balance])
    write_figure(study, "figure_7")
    assert "mean is 0.5 on foreground and 3.5 on background pixels" in caption(study, "figure_7")
    assert {"car", "road"} <= set(svg_texts(study, "figure_7"))


@pytest.mark.parametrize("figure", FIGURES)
def test_missing_results_are_refused_with_the_command(demo, figure):
    run = demo.figure_runs.fbnet if figure == "figure_7" else demo.figure_runs.baseline
    with pytest.raises(InputError, match=f"no such file; make it: fbnet evaluate --study demo --run {run} --seed 0"):
        write_figure(demo, figure)


def test_damaged_samples_are_refused_and_change_nothing(study):
    write_figure(study, "figure_7")
    before = [path.read_bytes() for path in paths.figure_files("demo", "figure_7")]
    path = paths.samples_file("demo", study.figure_runs.fbnet, 0)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"samples\.npz: damaged .*evaluate again: fbnet evaluate --study demo"):
        write_figure(study, "figure_7")
    assert [path.read_bytes() for path in paths.figure_files("demo", "figure_7")] == before


def test_figure_7_refuses_samples_without_maps(study):
    write_samples(study, study.figure_runs.fbnet, 0, [street(0) % 19], [street(0)])
    with pytest.raises(InputError, match="holds no maps of X_o"):
        write_figure(study, "figure_7")


@pytest.mark.parametrize("module", [predictions, confusion, balance_maps])
def test_no_text_is_cut_off_or_covered(study, module):
    with matplotlib.rc_context(STYLE):
        figure = module.draw(study, "Figure 0. A title").figure
        figure.draw_without_rendering()
        texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
        boxes = [text.get_window_extent() for text in texts]
    width, height = figure.bbox.width, figure.bbox.height
    assert len(boxes) > 5
    for text, box in zip(texts, boxes, strict=True):
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0, text.get_text()
    for index, box in enumerate(boxes):
        for other, text in zip(boxes[:index], texts[:index], strict=True):
            assert not box.overlaps(other), (texts[index].get_text(), text.get_text())


def test_reporting_does_not_import_torch():
    code = "import sys, fbnet.report.tables, fbnet.report.figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
