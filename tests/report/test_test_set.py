"""Table 5: validation at several scales, scores of the test server, and methods of others side by side."""

import json

import pytest
import yaml

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.report.tables import make_table, write_table
from tests.made_up_results import write_metrics
from tests.report.test_server_scores import write_scores
from tests.report.test_tables import read_csv, read_text, row

BASELINE, FBNET = "deeplabv3plus_r101", "deeplabv3plus_r101_fbnet"
TRAINVAL, WIDE = "deeplabv3plus_r101_fbnet_trainval", "deeplabv3plus_wrn38_fbnet_trainval"


@pytest.fixture
def paper(project):
    return load_study("paper")


def lines_of(study, table):
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in read_text(study, table, ".md").splitlines()
        if line.startswith("|")
    ]


def test_what_the_rows_are(paper):
    described = {entry.run: list(entry.describe.values()) for entry in make_table(paper, "table_5").rows}
    assert list(described) == list(paper.table("table_5").rows)
    assert described["pspnet_r101_quoted"] == ["PSPNet", "CVPR 2017", "ResNet-101", "–", False, False]
    assert described["gscnn"] == ["GSCNN", "ICCV 2019", "WiderResNet38", "–", False, True]
    assert described[BASELINE] == ["DeepLabv3+", "–", "ResNet-101", "train", False, False]
    assert described[TRAINVAL] == ["DeepLabv3+ + FBNet", "–", "ResNet-101", "train + val", False, False]
    # the run itself is trained on Cityscapes, the one that it starts from on Mapillary Vistas
    assert described[WIDE] == ["DeepLabv3+ + FBNet", "–", "WiderResNet38", "train + val", True, True]


def test_validation_is_that_at_several_scales(paper):
    write_metrics(paper, BASELINE, 0, miou=0.10)
    write_metrics(paper, BASELINE, 0, miou=0.80, scales="multi_scale")
    write_metrics(paper, FBNET, 0, miou=0.81, scales="multi_scale")
    table = make_table(paper, "table_5")
    assert row(table, BASELINE).cells["miou"].mean == pytest.approx(80)
    assert row(table, FBNET).cells["miou_gain"].mean == pytest.approx(1)
    assert row(table, FBNET).cells["miou"].paper is None


def test_server_scores_are_means_over_seeds_beside_the_papers_number(paper):
    write_scores(f"paper,{TRAINVAL},0,81.0,2024-05-01", f"paper,{TRAINVAL},2,82.0,2024-05-02")
    entry = row(make_table(paper, "table_5"), TRAINVAL)
    cell = entry.cells["test_miou"]
    assert (cell.mean, cell.deviation, cell.paper) == pytest.approx((81.5, 0.5**0.5, 82.4))
    assert (cell.difference, cell.seeds, entry.seeds) == (pytest.approx(-0.9), 2, 2)
    assert entry.cells["miou"].mean is None


def test_a_run_trained_on_the_evaluation_split_is_never_scored_on_it(paper):
    stray = paths.metrics_file("paper", TRAINVAL, 0, "multi_scale")
    stray.parent.mkdir(parents=True)
    stray.write_text("{")
    entry = row(make_table(paper, "table_5"), TRAINVAL)
    assert (entry.seeds, entry.cells["miou"].mean, entry.cells["test_miou"].mean) == (0, None, None)


def test_lines_of_ours_and_theirs(paper):
    for seed in paper.settings.seeds:
        write_metrics(paper, FBNET, seed, miou=0.81, scales="multi_scale")
    write_scores(
        f"paper,{FBNET},1,80.5,2024-05-01", f"paper,{TRAINVAL},0,81.0,2024-05-01", f"paper,{BASELINE},0,80,2024-05-02"
    )
    write_table(paper, "table_5")
    lines = lines_of(paper, "table_5")
    assert lines[0] == [
        "Method", "Venue", "Backbone", "Trained on", "Coarse †", "Mapillary ‡", "Seeds", "",
        "Test mIoU", "mIoU", "mIoU gain",
    ]  # fmt: skip
    quoted = ["HANet", "CVPR 2020", "ResNext-101", "–", "✓", "✓", "", "quoted", "83.2", "–", "–"]
    assert lines.count(quoted) == 1
    ours = ["DeepLabv3+ + FBNet", "–", "ResNet-101"]
    # The paper prints nothing of this row, which leaves one line of it.
    position = lines.index([*ours, "train", "", "", "3", "ours", "80.5 (1 seed)", "81.0 ± 0.0", "–"])
    assert lines[position + 1 : position + 4] == [
        [*ours, "train + val", "", "", "1 of 3", "ours", "81.0", "–", "–"],
        *([*[""] * 7, kind, number, "–", "–"] for kind, number in (("paper", "82.4"), ("difference", "−1.4"))),
    ]
    # A score without an evaluation says how many seeds it is of.
    assert ["DeepLabv3+", "–", "ResNet-101", "train", "", "", "0 of 3", "ours", "80.0 (1 seed)", "–", "–"] in lines
    assert len(lines) == 2 + 19 + 3 + 2 * 3


def test_csv_has_the_marks_and_the_scores(paper):
    write_scores(f"paper,{WIDE},0,83.0,2024-05-01")
    write_table(paper, "table_5")
    rows = read_csv(paper, "table_5")
    keys = ("venue", "trained_on", "coarse", "mapillary", "seeds", "test_miou", "test_miou_seeds", "test_miou_paper")
    assert [rows[WIDE][key] for key in keys] == ["-", "train + val", "yes", "yes", "1", "83.00", "1", "83.90"]
    assert [rows["spygr"][key] for key in keys] == ["CVPR 2020", "-", "no", "no", "0", "-", "0", "81.60"]
    assert rows[WIDE]["test_miou_diff"] == "-0.90"


def test_latex_rules_stand_around_ours_and_not_between_quoted_rows(paper):
    write_table(paper, "table_5")
    body = read_text(paper, "table_5", ".tex").split(r"\midrule")[1:]
    # 15 quoted; three of ours; four quoted; two of ours
    assert [part.count(r"\\") for part in body] == [15, 1, 1, 3, 4, 1, 3]
    text = read_text(paper, "table_5", ".tex")
    assert (text.count(r"$\dagger$"), text.count(r"$\ddagger$")) == (2, 2)
    assert text.isascii()


class TestCaption:
    def test_of_the_paper_s_study(self, paper):
        write_metrics(paper, BASELINE, 0, scales="multi_scale", iterations=66780)
        write_metrics(paper, "deeplabv3plus_wrn38_fbnet", 0, scales="multi_scale", iterations=99)
        caption = make_table(paper, "table_5").caption
        for part in (
            "mIoU is that on 32 images of the data set cityscapes, split val, at the scales "
            "0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, each with its mirror image, sliding window of 832 × 832",
            "Test mIoU is what the Cityscapes test server returned for predictions made in the same way; "
            "a dash stands until it is entered in params/reported/server_scores.csv.",
            "180 epochs, batch 8 (66780 iterations), with initial weights from data/weights/resnet101-imagenet.pth,",
            "Recipes that change this – pretraining: crop 896 × 896, batch 16, 175 epochs, learning rate 0.02, "
            "poly power 1, with classes weighted by their rarity in each image (bound 6), "
            "with class-uniform sampling (0.5 of the samples, tiles of 1024), "
            "without OHEM and class weights, on data set mapillary; "
            "finetuning: crop 896 × 896, batch 16, 175 epochs, learning rate 0.001, poly power 1, "
            "with class-uniform sampling (0.5 of the samples, in the first 150 epochs, tiles of 1024), "
            "starting from deeplabv3plus_wrn38_mapillary.",
            "of the test mIoU are the paper's (Cityscapes test set, full models); the study says",
        ):
            assert part in caption
        assert "single scale" not in caption

    def test_of_the_demo(self, demo):
        caption = make_table(demo, "table_5").caption
        assert "at the scales 0.75, 1, 1.25, each with its mirror image, whole image at once" in caption
        assert "Test mIoU stays a dash: the Cityscapes test server does not score the data set synthetic." in caption
        assert "demonstration numbers on generated scenes: they are not comparable with the paper's " in caption
        assert "(Cityscapes test set, full models) and say nothing about the method" in caption

    def test_scales_are_those_of_the_settings_not_of_the_key(self, project):
        path = paths.study_file("demo")
        content = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(content | {"multi_scale": {"scales": [1.0], "mirror": True}}))
        caption = make_table(load_study("demo"), "table_5").caption
        assert "at a single scale, each with its mirror image, whole image at once" in caption

    def test_predictions_for_the_server_may_be_made_another_way(self, project):
        content = yaml.safe_load(paths.RUNS_FILE.read_text())
        content["tables"]["table_5"]["evaluation"] = "single_scale"
        paths.RUNS_FILE.write_text(yaml.safe_dump(content, sort_keys=False))
        caption = make_table(load_study("paper"), "table_5").caption
        assert "split val, at a single scale, sliding" in caption
        assert "test server returned for predictions made at the scales 0.5, 0.75, 1, 1.25" in caption

    def test_single_scale_tables_say_nothing_of_it(self, paper):
        for name in ("table_1", "table_2", "table_3", "table_4", "table_6"):
            caption = make_table(paper, name).caption
            assert "at a single scale" in caption
            assert "server" not in caption
            assert "Recipes" not in caption
            assert "mapillary" not in caption
        assert "tiles of 720)" in make_table(paper, "table_6").caption

    def test_it_is_complete_when_every_run_has_its_number(self, paper):
        table = paper.table("table_5")
        scored = [run for run in table.rows if run in paper.runs and not paper.run(run).evaluated]
        for run in set(table.rows) & set(paper.runs) - set(scored):
            for seed in paper.settings.seeds:
                write_metrics(paper, run, seed, scales="multi_scale")
        lines = [f"paper,{run},{seed},80,2024-05-01" for run in scored for seed in paper.settings.seeds]
        write_scores(*lines[:-1])
        assert "not evaluated yet" in make_table(paper, "table_5").caption
        write_scores(*lines)
        assert "not evaluated yet" not in make_table(paper, "table_5").caption


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("learning_rate", 0.01, "training.learning_rate: is 0.01, but the study says 0.001"),
        ("scales", [1.0], r"evaluation.scales: is \(1.0,\), but the study says \(0.5, 0.75,"),
        ("mirror", False, "evaluation.mirror: is False, but the study says True"),
    ],
)
def test_metrics_of_another_recipe_or_other_scales_are_refused(paper, key, value, message):
    path = write_metrics(paper, "deeplabv3plus_wrn38_fbnet", 1, scales="multi_scale")
    content = json.loads(path.read_text())
    content["training" if key == "learning_rate" else "evaluation"][key] = value
    path.write_text(json.dumps(content))
    hint = "evaluate again: fbnet evaluate --multi-scale --study paper --run deeplabv3plus_wrn38_fbnet --seed 1"
    with pytest.raises(InputError, match=f"metrics_multi_scale.json: {message}.*{hint}"):
        make_table(paper, "table_5")


def test_a_damaged_score_changes_nothing(paper):
    write_table(paper, "table_5")
    before = {file: file.read_bytes() for file in paths.table_files("paper", "table_5")}
    write_scores(f"paper,{TRAINVAL},0,0.82,2024-05-01")
    with pytest.raises(InputError, match=r"server_scores\.csv: line 2: miou"):
        write_table(paper, "table_5")
    assert {file: file.read_bytes() for file in before} == before
    write_table(paper, "table_6")  # which shows no score
