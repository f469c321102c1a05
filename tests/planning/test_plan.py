"""Tests of a study's plan against the paper's numbers of images and epochs, and the files in a folder."""

import json
import subprocess
import sys

import pytest
import yaml

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.data.packed import split_images
from fbnet.errors import InputError
from fbnet.planning.plan import Jobs, make_plan, missing_inputs
from fbnet.planning.text import plan_text
from fbnet.provenance.graph import prepared
from tests.conftest import ROOT
from tests.made_up_results import change_study
from tests.planning.folders import write_manifests, write_record
from tests.test_cli import fbnet, refused

CITYSCAPES_IMAGES = {"train": 2975, "val": 500}
TRAINVAL, PRETRAINED = "deeplabv3plus_wrn38_fbnet_trainval", "deeplabv3plus_wrn38_mapillary"


def run_plan(plan, run):
    return next(entry for entry in plan.runs if entry.run == run)


def data_plan(plan, role):
    return next(entry for entry in plan.data if entry.role == role)


@pytest.fixture
def paper(project, monkeypatch):
    for variable in ("CITYSCAPES_ROOT", "BDD100K_ROOT", "MAPILLARY_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    return load_study("paper")


def test_in_a_clone_without_large_files_what_is_recorded_is_done(monkeypatch):
    monkeypatch.chdir(ROOT)
    totals = make_plan(load_study("camvid_pretrained")).totals
    assert all(of["done"] == of["needed"] for kind, of in totals.items())
    assert totals["trainings"]["needed"] > 0


def test_raw_data_are_missed_for_what_is_to_be_prepared(paper):
    def missed(*due):
        return [line for line in missing_inputs(paper, due) if line.startswith("no raw data")]

    assert missed() == []
    (line,) = missed(prepared(paper, "bdd100k", "val"))
    assert line.startswith("no raw data for bdd100k: data/raw/bdd100k/images/10k/val is missing")


class TestTablesOfAStudy:
    def test_the_runs_of_a_table_with_chains_and_baselines(self, paper):
        assert paper.runs_of_table("table_6") == ("deeplabv3plus_r101_bdd100k", "deeplabv3plus_r101_fbnet_bdd100k")
        runs = paper.runs_of_table("table_5")
        assert runs.index(PRETRAINED) < runs.index("deeplabv3plus_wrn38_fbnet") < runs.index(TRAINVAL)
        assert set(paper.compared_runs("table_5")) == set(runs) - {PRETRAINED}

    def test_a_baseline_that_is_no_row_is_needed(self, project):
        content = yaml.safe_load(paths.RUNS_FILE.read_text())
        content["tables"]["table_2"]["rows"] = ["pspnet_r50_fbnet"]
        paths.RUNS_FILE.write_text(yaml.safe_dump(content, sort_keys=False))
        study = load_study("demo")
        assert study.compared_runs("table_2") == ("pspnet_r50_fbnet", "pspnet_r50")
        assert run_plan(make_plan(study), "pspnet_r50").evaluations == {"single_scale": Jobs(needed=(0,), done=())}

    def test_a_baseline_that_the_study_does_not_train_is_left_out(self, project):
        study = change_study(
            "camvid",
            runs=["fcn_r50_fbnet"],
            tables=["table_1"],
            figure_runs={"baseline": "fcn_r50_fbnet", "fbnet": "fcn_r50_fbnet"},
        )
        assert study.runs_of_table("table_1") == ("fcn_r50_fbnet",)

    def test_the_data_sets_of_a_table(self, paper):
        assert paper.roles_of_table("table_1") == ("cityscapes",)
        assert paper.roles_of_table("table_6") == ("bdd100k",)
        expected = {"cityscapes", "cityscapes_test", "cityscapes_coarse", "mapillary"}
        assert set(paper.roles_of_table("table_5")) == expected

    def test_an_unknown_table_is_refused(self, paper):
        for of_table in (paper.compared_runs, paper.runs_of_table, paper.roles_of_table):
            with pytest.raises(InputError, match="study paper: no table 'table_9'; choose from table_1"):
                of_table("table_9")


class TestIterations:
    def test_of_the_paper(self, paper):
        plan = make_plan(paper)
        assert run_plan(plan, "fcn_r50").iterations == 371 * 180 == 66_780  # Sec. 4.1
        assert run_plan(plan, "deeplabv3plus_r101_bdd100k").iterations == 875 * 180 == 157_500
        assert run_plan(plan, TRAINVAL).images == 3475
        assert run_plan(plan, TRAINVAL).iterations == 217 * 175 == 37_975  # by its recipe
        assert run_plan(plan, PRETRAINED).iterations == 1125 * 175  # by another
        # 18 runs on train and one on train and val, two on BDD100K, one on Mapillary Vistas and two that are fine-tuned
        total = 3 * (18 * 66_780 + 78_120 + 2 * 157_500 + 196_875 + 32_375 + 37_975)  # three seeds each
        assert plan.totals["iterations"] == {"needed": total, "done": 0}

    def test_of_scenes_that_are_not_drawn_yet(self, project):
        plan = make_plan(load_study("demo"))
        assert run_plan(plan, "fcn_r50").iterations == 160 // 4 * 10
        assert run_plan(plan, "deeplabv3plus_r101_fbnet_trainval").iterations == 192 // 4 * 10
        assert None not in plan.totals["iterations"].values()

    def test_scenes_are_counted_as_the_study_declares_them(self, project):
        data = load_study("demo").data
        write_manifests(data, {"train": 7, "val": 7})
        assert split_images(data, "train") == 160

    def test_prepared_images_count_before_published_ones(self, paper):
        write_manifests(paper.data, {"train": 1600})
        plan = make_plan(paper)
        assert run_plan(plan, "fcn_r50").iterations == 200 * 180
        assert run_plan(plan, TRAINVAL).images == 1600 + 500

    def test_of_a_split_of_unpublished_size_are_unknown(self, paper):
        data = yaml.safe_load(paths.study_file("paper").read_text())["data"]
        data["cityscapes"]["evaluate"] = "held_out"
        study = change_study("paper", data=data)
        plan = make_plan(study)
        assert (run_plan(plan, TRAINVAL).images, run_plan(plan, TRAINVAL).iterations) == (None, None)
        write_record(study, "train", "fcn_r50", 0)
        assert make_plan(study).totals["iterations"] == {"needed": None, "done": 66_780}
        write_record(study, "train", TRAINVAL, 0)
        assert make_plan(study).totals["iterations"] == {"needed": None, "done": None}
        assert "iterations: unknown, done unknown" in plan_text(make_plan(study))


class TestJobs:
    def test_of_the_paper(self, paper):
        plan = make_plan(paper)
        runs = [entry.run for entry in plan.runs]
        assert set(runs) == set(paper.runs)
        assert plan.totals["trainings"] == {"needed": len(runs) * 3, "done": 0}
        assert plan.totals["exports"] == {"needed": 2 * 3, "done": 0}
        # neither of the two runs for the test server nor of the pre-training
        assert plan.totals["evaluations"] == {"needed": (len(runs) - 3) * 3, "done": 0}
        assert all(runs.index(entry.start) < runs.index(entry.run) for entry in plan.runs if entry.start)

    def test_what_needs_a_run(self, paper):
        plan = make_plan(paper)
        assert run_plan(plan, "fcn_r101").tables == ("table_1", "table_3", "table_4")
        assert run_plan(plan, PRETRAINED).tables == ("table_5",)
        assert run_plan(plan, "deeplabv3plus_r50").figures == ("figure_1", "figure_2", "figure_7")
        assert run_plan(plan, TRAINVAL).start == PRETRAINED

    def test_what_is_done(self, paper):
        write_record(paper, "train", "deeplabv3plus_r101", 2)
        write_record(paper, "evaluate", "deeplabv3plus_r101", 0)  # which Table 5 does not show
        write_record(paper, "evaluate_multi_scale", "deeplabv3plus_r101", 1)
        write_record(paper, "export", TRAINVAL, 0)
        plan = make_plan(paper)
        entry = run_plan(plan, "deeplabv3plus_r101")
        assert entry.training == Jobs(needed=(0, 1, 2), done=(2,))
        assert entry.evaluations == {"multi_scale": Jobs(needed=(0, 1, 2), done=(1,))}
        assert run_plan(plan, TRAINVAL).exports == Jobs(needed=(0, 1, 2), done=(0,))
        assert run_plan(plan, TRAINVAL).evaluations == {}
        assert {kind: of["done"] for kind, of in plan.totals.items()} == {
            "trainings": 1, "evaluations": 1, "exports": 1, "measurements": 0, "iterations": 66_780,
        }  # fmt: skip

    def test_a_run_of_figures_alone_needs_the_first_seed(self, trio):
        study = change_study("trio", tables=["table_1"], seeds=[3, 1])
        plan = make_plan(study)
        entry = run_plan(plan, "deeplabv3plus_r50")
        assert (entry.tables, entry.training.needed) == ((), (3,))
        assert entry.evaluations == {"single_scale": Jobs(needed=(3,), done=())}
        assert plan.totals["trainings"]["needed"] == 4 * 2 + 2
        assert "table_5" not in json.dumps(plan.as_dict())

    def test_a_figure_s_run_in_a_table_of_several_scales_is_evaluated_twice(self, trio):
        runs = {"baseline": "deeplabv3plus_r101", "fbnet": "deeplabv3plus_r101_fbnet"}
        plan = make_plan(change_study("trio", tables=["table_5"], figure_runs=runs))
        assert run_plan(plan, "deeplabv3plus_r101").evaluations == {
            "multi_scale": Jobs(needed=(0, 1, 2), done=()),
            "single_scale": Jobs(needed=(0,), done=()),
        }

    def test_a_study_of_nothing_needs_nothing(self, trio):
        plan = make_plan(change_study("trio", tables=[], figures=[]))
        assert plan.runs == ()
        assert plan.totals["trainings"] == {"needed": 0, "done": 0}
        assert "trainings: 0, done 0" in plan_text(plan)


class TestData:
    def test_of_the_paper(self, paper, project):
        write_manifests(paper.data, CITYSCAPES_IMAGES)
        for split in ("train", "val"):
            folder = project / "data/raw/cityscapes/leftImg8bit" / split / "town"
            folder.mkdir(parents=True)
        plan = make_plan(paper)
        cityscapes, bdd100k = data_plan(plan, "cityscapes"), data_plan(plan, "bdd100k")
        assert (cityscapes.prepared, cityscapes.images, cityscapes.drawn) == (True, CITYSCAPES_IMAGES, False)
        assert cityscapes.missing == ("data/raw/cityscapes/gtFine/train", "data/raw/cityscapes/gtFine/val")
        assert (bdd100k.prepared, bdd100k.images, bdd100k.tables) == (False, {"train": 7000, "val": 1000}, ("table_6",))
        mapillary = data_plan(plan, "mapillary")
        assert (mapillary.tables, mapillary.figures) == (("table_5",), ())
        assert all(path.startswith("data/raw/mapillary/") for path in mapillary.missing)
        assert [entry.tables for entry in plan.data if entry.role.startswith("cityscapes_")] == [("table_5",)] * 2
        assert cityscapes.figures == ("figure_1", "figure_2", "figure_7")

    def test_the_environment_overrides_the_root_of_raw_data(self, paper, tmp_path, monkeypatch):
        folders = [tmp_path / "elsewhere" / kind / "train_extra" for kind in ("leftImg8bit", "gtCoarse")]
        monkeypatch.setenv("CITYSCAPES_ROOT", str(tmp_path / "elsewhere"))
        assert data_plan(make_plan(paper), "cityscapes_coarse").missing == tuple(map(str, folders))
        for folder in folders:
            (folder / "town").mkdir(parents=True)
        assert data_plan(make_plan(paper), "cityscapes_coarse").missing == ()

    def test_scenes_are_never_missing(self, demo):
        for entry in make_plan(demo).data:
            assert (entry.drawn, entry.missing, entry.prepared) == (True, (), False)

    def test_incomplete_files_are_not_prepared_data(self, paper):
        write_manifests(paper.data, CITYSCAPES_IMAGES, arrays=False)
        assert not data_plan(make_plan(paper), "cityscapes").prepared
        write_manifests(paper.data, {"train": 2975})
        assert not data_plan(make_plan(paper), "cityscapes").prepared
        write_manifests(paper.data, CITYSCAPES_IMAGES)
        assert data_plan(make_plan(paper), "cityscapes").prepared
        paper.data.prepared_files("val")[-1].unlink()
        assert not data_plan(make_plan(paper), "cityscapes").prepared

    @pytest.mark.parametrize("content", ["{", "[]", "{}", '{"images": [1]}', '{"images": 3}'])
    def test_a_damaged_manifest_is_refused(self, paper, content):
        write_manifests(paper.data, CITYSCAPES_IMAGES)
        path = paths.manifest_file(paper.data.packed_name("train"))
        path.write_text(content)
        hint = "prepare data set 'cityscapes' again with `fbnet prepare`"
        with pytest.raises(InputError, match=f"^{path}: damaged .*; {hint}"):
            make_plan(paper)


class TestCommand:
    @pytest.mark.slow
    def test_as_json(self, paper):
        write_record(paper, "train", "fcn_r50", 1)
        result = fbnet("plan", "--study", "paper", "--json")
        assert result.returncode == 0, result.stderr
        content = json.loads(result.stdout)
        assert list(content) == ["study", "data", "runs", "totals", "cost", "unused"]
        del content["cost"], content["unused"]
        assert content == json.loads(json.dumps(make_plan(paper).as_dict()))
        entry = next(run for run in content["runs"] if run["run"] == "fcn_r50")
        assert entry["training"] == {"needed": [0, 1, 2], "done": [1]}
        assert entry["evaluations"] == {"single_scale": {"needed": [0, 1, 2], "done": []}}
        assert content["totals"]["trainings"] == {"needed": 72, "done": 1}

    @pytest.mark.slow
    def test_as_text(self, paper):
        write_record(paper, "train", "fcn_r50", 1)
        lines = fbnet("plan", "--study", "paper").stdout.splitlines()
        cells = {line.split()[0]: line.split() for line in lines[: lines.index("trainings: 72, done 1")] if line}
        assert " ".join(cells["fcn_r50"]) == "fcn_r50 cityscapes train 66,780 1 of 3 0 of 3 – 1 – –"
        assert cells[TRAINVAL][-1] == PRETRAINED
        raw = "no missing: data/raw/cityscapes/leftImg8bit/train and 3 more 1, 2, 3, 4, 5 1, 2, 7"
        assert " ".join(cells["cityscapes"]).endswith(raw)
        assert cells["bdd100k"][2:6] == ["train", "7,000,", "val", "1,000"]
        first = lines.index("trainings: 72, done 1")
        assert lines[first : first + 5] == [
            "trainings: 72, done 1",
            "evaluations: 63, done 0",
            "exports: 6, done 0",
            "measurements: 0, done 0",
            "iterations: 5,587,155, done 66,780",
        ]

    def test_bad_input_is_one_line(self, project):
        assert "params/studies/kitti.yaml: no such study 'kitti'" in refused(fbnet("plan", "--study", "kitti"))

    def test_needs_no_torch(self):
        code = "import sys, fbnet.planning.plan; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_other_tables_than_the_papers_go_by_their_names(project):
    study = load_study("camvid_pretrained")
    text = plan_text(make_plan(study))
    line = next(line for line in text.splitlines() if line.startswith("fcn_lite0_fbnet "))
    assert "pair" in line
