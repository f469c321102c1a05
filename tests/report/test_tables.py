import csv
import json
import re

import pytest
import yaml

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.report.layout import headers, row_lines
from fbnet.report.tables import make_table, write_table
from tests.made_up_results import change_study, write_metrics

BASELINE, FBNET = "pspnet_r50", "pspnet_r50_fbnet"


@pytest.fixture
def paper(project):
    """A study of three seeds whose numbers are comparable with the paper's."""
    return load_study("paper")


def row(table, run):
    return next(entry for entry in table.rows if entry.run == run)


def read_csv(study, table):
    with paths.table_files(study.name, table)[0].open() as file:
        return {entry["run"]: entry for entry in csv.DictReader(file)}


def read_text(study, table, suffix):
    return next(path for path in paths.table_files(study.name, table) if path.suffix == suffix).read_text()


def write_pair(study):
    """Gains of +1, +5 and +3 points: mean 3, sample deviation 2; the runs' own deviations differ from that."""
    for seed, (before, after) in enumerate([(0.40, 0.41), (0.42, 0.47), (0.44, 0.47)]):
        write_metrics(study, BASELINE, seed, miou=before, gflops=11.25)
        write_metrics(study, FBNET, seed, miou=after, gflops=11.5)


def test_means_deviations_and_differences_over_three_seeds(trio):
    write_pair(trio)
    cell = row(make_table(trio, "table_2"), BASELINE).cells["miou"]
    assert (cell.mean, cell.deviation, cell.seeds) == pytest.approx((42, 2, 3))
    assert (cell.paper, cell.difference) == pytest.approx((79.3, -37.3))


def test_gains_are_paired_by_seed(trio):
    write_pair(trio)
    cell = row(make_table(trio, "table_2"), FBNET).cells["miou_gain"]
    assert (cell.mean, cell.deviation, cell.seeds) == pytest.approx((3, 2, 3))
    assert (cell.paper, cell.difference) == pytest.approx((1.2, 1.8))


def test_gains_take_only_seeds_that_both_runs_have(trio):
    write_pair(trio)
    paths.metrics_file("trio", BASELINE, 1).unlink()
    cell = row(make_table(trio, "table_2"), FBNET).cells["miou_gain"]
    assert (cell.mean, cell.seeds) == pytest.approx((2, 2))  # of +1 and +3
    write_table(trio, "table_2")
    assert "+2.0 ± 1.4 [−10.7, +14.7] (2 seeds)" in read_text(trio, "table_2", ".md")


def test_a_gain_has_its_interval(trio):
    """Gains of 1, 3 and 5 points: 3 ± 2 * 4.303 / sqrt(3)."""
    write_pair(trio)
    write_table(trio, "table_2")
    csv = read_csv(trio, "table_2")
    assert (csv[FBNET]["miou_gain_low"], csv[FBNET]["miou_gain_high"]) == ("-1.97", "7.97")
    assert (csv[BASELINE]["miou_gain_low"], csv[BASELINE]["miou_gain_high"]) == ("-", "-")
    assert "with its 95 % confidence interval by Student's t" in read_text(trio, "table_2", ".md")


def test_a_wide_table_has_a_line_of_intervals(trio):
    for seed, gain in enumerate((0.01, 0.03, 0.05)):
        write_metrics(trio, "fcn_r50", seed, miou=0.4)
        write_metrics(trio, "fcn_r50_fbnet", seed, miou=0.4 + gain)
    table = make_table(trio, "table_1")
    lines = row_lines(row(table, "fcn_r50_fbnet"), table)
    assert lines["95 %"][headers(table).index("mIoU gain")] == "[−2.0, +8.0]"
    assert not any(lines["95 %"][headers(table).index("f-mIoU gain") + 1 :])
    assert "95 %" not in row_lines(row(table, "fcn_r50"), table)


def test_csv_holds_everything(paper):
    write_pair(paper)
    write_table(paper, "table_2")
    rows = read_csv(paper, "table_2")
    assert list(rows) == list(paper.table("table_2").rows)
    fbnet = rows[FBNET]
    assert fbnet["method"] == "PSPNet + FBNet"
    assert [fbnet[key] for key in ("seeds", "miou", "miou_sd", "miou_seeds", "miou_paper", "miou_diff")] == [
        "3", "45.00", "3.46", "3", "80.50", "-35.50",
    ]  # fmt: skip
    assert [fbnet[key] for key in ("miou_gain", "miou_gain_sd", "miou_gain_paper", "miou_gain_diff")] == [
        "3.00", "2.00", "1.20", "1.80",
    ]  # fmt: skip
    assert [fbnet[key] for key in ("gflops", "gflops_paper", "gflops_diff")] == ["11.50", "541.54", "-530.04"]
    unfinished = rows["deeplabv3plus_r50"]
    assert [unfinished[key] for key in ("seeds", "miou", "miou_sd", "miou_paper", "miou_diff")] == [
        "0", "-", "-", "79.50", "-",
    ]  # fmt: skip


def test_numbers_that_are_not_comparable_have_no_difference(trio):
    write_pair(trio)
    write_table(trio, "table_2")
    rows = read_csv(trio, "table_2")
    assert (rows[FBNET]["miou"], rows[FBNET]["miou_paper"]) == ("45.00", "80.50")
    differences = {value for entry in rows.values() for column, value in entry.items() if column.endswith("_diff")}
    assert differences == {"-"}
    for suffix in (".md", ".tex"):
        text = read_text(trio, "table_2", suffix)
        assert "| paper" in text or "& paper" in text
        assert "“difference”" not in text
        assert not re.search(r"[|&] difference", text)


def test_markdown_has_three_lines_a_run(paper):
    write_pair(paper)
    paths.metrics_file("paper", BASELINE, 2).unlink()
    write_table(paper, "table_2")
    assert "“difference” ours minus that one" in read_text(paper, "table_2", ".md")
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in read_text(paper, "table_2", ".md").splitlines()
        if line.startswith("|")
    ]
    assert lines[0] == ["Method", "Seeds", "", "mIoU", "mIoU gain", "f-mIoU", "f-mIoU gain", "GFLOPs"]
    assert lines[2:5] == [
        ["PSPNet", "2 of 3", "ours", "41.0 ± 1.4", "–", "40.0 ± 0.0", "–", "11.25"],
        ["", "", "paper", "79.3", "–", "74.5", "–", "540.78"],
        ["", "", "difference", "−38.3", "–", "−34.5", "–", "−529.53"],
    ]
    assert lines[5][:4] == ["DeepLabv3+", "0 of 3", "ours", "–"]
    assert len(lines) == 2 + 3 * len(paper.table("table_2").rows)


def test_one_seed_has_no_spread(demo):
    write_metrics(demo, "fcn_r50", 0, iou={"train": None, "traffic light": 0.5})
    write_table(demo, "table_1")
    text = read_text(demo, "table_1", ".md")
    assert "±" not in text
    assert "one seed carries no spread" in text
    first = read_csv(demo, "table_1")["fcn_r50"]
    assert [first[key] for key in ("train", "train_paper", "traffic_light", "traffic_light_paper")] == [
        "-", "71.00", "50.00", "73.40",
    ]  # fmt: skip


def test_a_wide_table_shows_the_spread_below_the_mean(paper):
    for seed, miou in enumerate((0.40, 0.42, 0.44)):
        write_metrics(paper, "fcn_r50", seed, miou=miou)
    write_table(paper, "table_1")
    lines = [line.split("|") for line in read_text(paper, "table_1", ".md").splitlines() if line.startswith("|")]
    assert [[cell.strip() for cell in line[4:6]] for line in lines[2:6]] == [
        ["ours", "42.0"],
        ["±", "2.0"],
        ["paper", "76.3"],
        ["difference", "−34.3"],
    ]
    assert [cell.strip() for cell in lines[0][5:12]] == [
        "mIoU",
        "mIoU gain",
        "f-mIoU",
        "f-mIoU gain",
        "road",
        "swalk",
        "build.",
    ]


def test_marks_say_what_a_run_has(demo):
    rows = make_table(demo, "table_4").rows
    marked = {entry.run: [key for key, value in entry.describe.items() if value is True] for entry in rows}
    assert marked == {
        "fcn_r101": [],
        "fcn_r101_bwbce": ["bwbce"],
        "fcn_r101_dfm": ["dfm"],
        "fcn_r101_bwbce_conv": ["bwbce", "conv"],
        "fcn_r101_pce_dfm": ["pce", "dfm"],
        "fcn_r101_fbnet": ["bwbce", "dfm"],
    }
    stages = row(make_table(demo, "table_3"), "fcn_r101_fbnet_res3").describe
    assert stages == {"method": "FCN + FBNet", "res2": False, "res3": True, "res4": False, "res5": False}
    assert row(make_table(demo, "table_1"), "fcn_r50").describe["backbone"] == "ResNet-50"


def test_on_other_classes_nothing_of_the_paper_is_shown(project):
    study = load_study("camvid")
    write_metrics(study, "fcn_r50", 0)
    table = make_table(study, "table_1")
    cells = row(table, "fcn_r50").cells
    assert list(cells) == ["miou", "miou_gain", "f_miou", "f_miou_gain", *study.data.labels.classes]
    assert {cell.paper for cell in cells.values()} == {None}
    assert "the number that the paper prints" not in table.caption
    assert "not comparable with the paper's" in table.caption


def test_the_caption_tells_mirrored_scores(project):
    study = change_study("trio", evaluation={"also_mirrored": True})
    for seed, miou in ((0, 0.5), (1, 0.6)):
        path = write_metrics(study, "fcn_r101", seed)
        mirrored = {"miou": miou, "f_miou": 0.25}
        path.write_text(json.dumps(json.loads(path.read_text()) | {"mirrored": mirrored}))
    assert (
        "mIoU (and f-mIoU) of the mean with the mirror image: fcn_r101 55.0 (25.0)."
        in make_table(study, "table_3").caption
    )
    path.write_text(
        json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "mirrored"})
    )
    with pytest.raises(InputError, match="mirrored"):
        make_table(study, "table_3")


def test_captions_say_what_the_numbers_are(project, demo, trio):
    write_metrics(demo, "fcn_r101", 0)
    caption = make_table(demo, "table_3").caption
    for part in (
        "The stage after which FBNet is plugged in",
        "Study demo: generated street scenes",
        "demonstration numbers on generated scenes: they are not comparable with the paper's",
        "32 images of the data set synthetic, split val, at a single scale, whole image at once",
        "0.125 of the full width, crop 96 × 192, 10 epochs, batch 4 (400 iterations)",
        "f-mIoU is the mean IoU of the 14 foreground classes",
        "70.6 here, 72.4 for the same model",
    ):
        assert part in caption
    assert "± is the sample standard deviation over 3 seeds" in make_table(trio, "table_3").caption

    paper = make_table(load_study("paper"), "table_3").caption
    assert "sliding window of 832 × 832" in paper
    assert (
        "with initial weights from data/weights/resnet101-imagenet.pth, "
        "with OHEM (probability below 0.7, at least 10000 pixels an image), with class weights, "
        "with class-uniform sampling (0.5 of the samples, tiles of 1024), "
        "with colour jitter of 0.25 and Gaussian blur of standard deviation 0.15 to 1.3."
    ) in paper
    assert "full width" in paper
    assert "not comparable" not in paper
    camvid = make_table(load_study("camvid"), "table_3").caption
    assert "not comparable with the paper's (Cityscapes validation set, full models)" in camvid


def test_latex_is_escaped(project):
    path = paths.study_file("camvid")
    content = yaml.safe_load(path.read_text()) | {"description": "100 % of A & B_1, slim", "seeds": [0, 1]}
    content["training"]["crop"] = [176, 240]
    path.write_text(yaml.safe_dump(content))
    study = load_study("camvid")
    for seed in study.settings.seeds:
        write_metrics(study, "fcn_r50", seed)
    write_table(study, "table_1")
    text = read_text(study, "table_1", ".tex")
    assert text.splitlines()[0].startswith("% Needs \\usepackage{booktabs}")
    assert r"Study camvid: 100 \% of A \& B\_1, slim" in text
    assert r"$\pm$" in text
    assert r"360 $\times$ 480" not in text
    assert r"176 $\times$ 240" in text
    assert text.isascii()
    body = text.split(r"\midrule")[1:]
    assert len(body) == len(study.table("table_1").rows)
    widths = {line.count("&") for line in text.splitlines() if line.endswith(r"\\")}
    assert widths == {3 + 15}  # four columns of description, 15 of numbers

    write_table(load_study("demo"), "table_3")
    assert read_text(load_study("demo"), "table_3", ".tex").count(r"$\checkmark$") == 8


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: "{", "not valid JSON"),
        (lambda content: json.dumps({k: v for k, v in content.items() if k != "miou"}), "miou: is missing"),
        (lambda content: json.dumps(content | {"miou": 41.2}), "miou: must be a fraction of 1"),
        (lambda content: json.dumps(content | {"f_miou": float("nan")}), "NaN is not a finite number"),
        (lambda content: json.dumps(content | {"dataset": "camvid"}), "dataset: is 'camvid', but the study says"),
        (lambda content: json.dumps(content | {"width": 1.0}), "width: is 1.0, but the study says 0.125"),
        (
            lambda content: json.dumps(content | {"training": content["training"] | {"epochs": 1}}),
            "training.epochs: is 1, but the study says 10",
        ),
        (
            lambda content: json.dumps(content | {"training": content["training"] | {"ohem": {"threshold": 0.5}}}),
            "training.ohem: is OhemConfig(threshold=0.5, min_kept=10000, mean='image'), but the study says None",
        ),
        (lambda content: json.dumps(content | {"iou": {"road": 1.0}}), "iou: must hold one value for each class"),
    ],
)
def test_damaged_metrics_are_refused_and_change_nothing(demo, damage, message):
    path = write_metrics(demo, "fcn_r101", 0)
    write_table(demo, "table_3")
    before = {file: file.read_bytes() for file in paths.table_files("demo", "table_3")}
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(InputError) as error:
        write_table(demo, "table_3")
    assert str(path) in str(error.value)
    assert message in str(error.value)
    assert "evaluate again: fbnet evaluate --study demo --run fcn_r101 --seed 0" in str(error.value)
    assert {file: file.read_bytes() for file in before} == before


def test_metrics_older_than_a_key_mean_its_default(demo):
    path = write_metrics(demo, "fcn_r101", 0)
    content = json.loads(path.read_text())
    for key in ("ohem", "class_weights", "class_uniform", "photometric"):
        assert content["training"].pop(key) is None
    path.write_text(json.dumps(content))
    assert row(make_table(demo, "table_3"), "fcn_r101").cells["miou"].mean == 50


def test_damaged_reported_numbers_change_nothing(demo):
    write_table(demo, "table_3")
    before = {file: file.read_bytes() for file in paths.table_files("demo", "table_3")}
    write_metrics(demo, "fcn_r101", 0)
    paths.reported_file("table_3").write_text("run,miou\n")
    with pytest.raises(InputError, match="line 1"):
        write_table(demo, "table_3")
    folder = paths.table_files("demo", "table_3")[0].parent
    assert {file: file.read_bytes() for file in sorted(folder.iterdir())} == before


def test_an_unknown_table_is_refused(demo):
    with pytest.raises(InputError, match="no table 'table_9'"):
        write_table(demo, "table_9")


def test_an_undefined_mean_is_a_dash(demo):
    write_metrics(demo, "fcn_r101", 0, f_miou=None)
    cells = row(make_table(demo, "table_3"), "fcn_r101").cells
    assert (cells["f_miou"].mean, cells["f_miou"].difference, cells["miou"].mean) == (None, None, 50)


def test_quoted_methods_show_the_papers_number_and_nothing_of_ours(project):
    study = load_study("demo")
    write_metrics(study, "deeplabv3plus_r101_bdd100k", 0, miou=0.5)
    write_table(study, "table_6")
    with paths.table_files("demo", "table_6")[0].open() as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert list(rows) == list(study.table("table_6").rows)
    assert (rows["hanet_bdd100k"]["miou"], rows["hanet_bdd100k"]["miou_paper"]) == ("-", "65.60")
    assert (rows["nisenet"]["venue"], rows["nisenet"]["backbone"]) == ("ICIP 2019", "-")
    assert (rows["deeplabv3plus_r101_bdd100k"]["miou"], rows["deeplabv3plus_r101_bdd100k"]["miou_paper"]) == (
        "50.00",
        "64.90",
    )
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in read_text(study, "table_6", ".md").splitlines()
    ]
    assert ["HANet", "CVPR 2020", "ResNet-101", "", "quoted", "65.6"] in lines
    assert ["NiseNet", "ICIP 2019", "–", "", "quoted", "53.5"] in lines
    assert ["DeepLabv3+ + FBNet", "–", "ResNet-101", "0 of 1", "ours", "–"] in lines
    caption = make_table(study, "table_6").caption
    assert "methods of others" in caption
    assert "not comparable with the paper's (BDD100K validation set, full models)" in caption
    assert "methods of others" not in make_table(study, "table_3").caption
