"""Tables that a study declares itself, and runs with fewer seeds."""

import copy
import math

import pytest
import yaml

from fbnet import paths
from fbnet.errors import InputError
from fbnet.provenance.graph import Result, build_graph
from fbnet.report.layout import headers, row_lines, to_latex
from fbnet.report.tables import make_table
from tests.made_up_results import change_study, write_metrics

RUN, BASELINE = "fcn_r101_fbnet", "fcn_r101"
TABLE = {
    "title": "What one could do instead",
    "describe": ["method"],
    "columns": ["miou", "miou_gain", "iou_gain", "parameters", "training_minutes"],
    "rows": [BASELINE, RUN],
}


@pytest.fixture
def study(project):
    return change_study("trio", own_tables={"alternatives": TABLE}, fewer_seeds={RUN: 2})


def made(study, runs=(BASELINE, RUN)):
    for run in runs:
        for seed in study.seeds_of(run):
            gain = 0.05 * (seed + 1) * (run == RUN)
            write_metrics(study, run, seed, miou=0.5 + gain, iou={"pole": 0.25 + gain})
            history = paths.history_file(study.name, run, seed)
            head = "epoch,iteration,learning_rate,loss,segmentation_loss,balance_loss,seconds\n"
            history.write_text(head + "1,10,0.1,1.0,1.0,0.0,90\n2,20,0.05,1.0,1.0,0.0,30\n")
    return make_table(study, "alternatives")


def test_need_no_reported_numbers(study):
    table = made(study)
    assert not paths.reported_file("alternatives").exists()
    assert all(cell.paper is None for row in table.rows for cell in row.cells.values())
    assert "paper" not in table.caption.replace("comparable with the paper's", "")
    assert "paper" not in row_lines(table.rows[1], table)
    assert "The paper's" not in to_latex(table)


def test_gains_of_classes_are_paired(study):
    cell = made(study).rows[1].cells["pole_gain"]
    assert (cell.mean, cell.seeds) == (pytest.approx(7.5), 2)
    # 12.706 is Student's t for one degree of freedom; the deviation of 5 and 10 is 3.536.
    assert cell.half_width == pytest.approx(12.706 * 5 / math.sqrt(2) / math.sqrt(2), rel=1e-4)
    assert "pole gain" in headers(made(study))


def test_costs(study):
    cells = made(study).rows[1].cells
    assert cells["parameters"].mean == pytest.approx(0.001234)
    assert cells["training_minutes"].mean == pytest.approx(2 * 30 / 60)


def test_each_row_says_how_many_seeds(study):
    table = made(study)
    assert [(row.seeds, row.planned_seeds) for row in table.rows] == [(3, 3), (2, 2)]
    assert "the seeds of a row" in table.caption
    assert "not evaluated yet" not in table.caption


def test_the_caption_names_a_baseline_that_has_a_baseline_itself(study):
    runs = yaml.safe_load(paths.RUNS_FILE.read_text())
    better = copy.deepcopy(runs["runs"][RUN])
    runs["runs"]["fcn_r101_more"] = better | {"label": "FCN + more", "baseline": RUN}
    paths.RUNS_FILE.write_text(yaml.safe_dump(runs))
    longer = TABLE | {"rows": [BASELINE, RUN, "fcn_r101_more"]}
    caption = made(change_study("trio", own_tables={"alternatives": longer}), (BASELINE, RUN)).caption
    assert f"baseline of the same architecture, for FCN + more to {runs['runs'][RUN]['label']}, seed by seed" in caption
    assert caption.count(", for ") == 1


def test_gains_over_a_row_of_the_table(study):
    changed = change_study("trio", own_tables={"alternatives": TABLE | {"baseline": RUN}})
    table = made(changed)
    gains = {row.run: row.cells["miou_gain"].mean for row in table.rows}
    assert gains == {BASELINE: pytest.approx(-7.5), RUN: None}  # 5 and 10 points with the seeds of both
    assert f"Gain is the difference to {changed.run(RUN).label}, seed by seed" in table.caption


def test_a_missing_history_is_named(study):
    made(study)
    paths.history_file("trio", RUN, 1).unlink()
    with pytest.raises(InputError, match=r"fcn_r101_fbnet/seed1/history\.csv: no such file"):
        make_table(study, "alternatives")


def test_fewer_seeds_are_fewer_jobs(study):
    graph = build_graph(study)
    seeds = [result.name for result in graph.nodes if result.kind == "train" and RUN + "/" in result.name]
    assert seeds == [f"{RUN}/seed0", f"{RUN}/seed1"]
    inputs = graph[Result("table", "alternatives")].inputs
    assert [str(entry) for entry in inputs if RUN + "/" in entry.name] == [
        f"evaluate {RUN} seed0",
        f"evaluate {RUN} seed1",
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"fewer_seeds": {RUN: 4}}, "must be at most the 3 of the study"),
        ({"fewer_seeds": {"fcn_r18": 1}}, "no 'fcn_r18'"),
        ({"fewer_seeds": {"deeplabv3plus_wrn38_mapillary": 1}}, "which starts from it"),
        ({"own_tables": {"table_3": TABLE}}, "is a table of the paper"),
        ({"own_tables": {"mine": {**TABLE, "rows": ["fcn_r18"]}}}, "no 'fcn_r18'"),
        (
            {"own_tables": {"mine": {**TABLE, "baseline": "fcn_r50"}}},
            "own_tables.mine.baseline: no .fcn_r50.; choose from fcn_r101",
        ),
        ({"own_tables": {"mine": {**TABLE, "rows": ["fcn_r101", "deeplabv3plus_r101_bdd100k"]}}}, "on one dataset"),
    ],
)
def test_what_does_not_fit_is_refused(project, change, problem):
    with pytest.raises(InputError, match=problem):
        change_study("trio", **change)
