"""Nothing runs again that need not, nothing stale passes for current: the real Snakemake in throw-away clones."""

import json
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tests.conftest import TRAIN

pytestmark = pytest.mark.workflow

RUNS = ("fcn_r50", "fcn_r50_fbnet", "pspnet_r50", "pspnet_r50_fbnet")
TABLES = {"table table_1", "table table_2"}
FIGURES = {"figure figure_2"}
EVALUATIONS = {f"evaluate {run} seed0" for run in RUNS}
TRAININGS = {f"train {run} seed0" for run in RUNS}
REPORTS = TABLES | FIGURES


class TestNothingToBeDone:
    def test_after_a_full_run(self, copy):
        assert copy.planned() == set()
        assert "Nothing to be done" in copy.snakemake("-n").stdout + copy.snakemake("-n").stderr

    def test_in_a_clone_without_data_and_checkpoints(self, clone):
        assert not (clone.folder / "data/synthetic").exists()
        assert not list(clone.folder.glob("results/**/model.pt"))
        assert clone.planned() == set()

    @pytest.mark.slow
    def test_with_shuffled_times(self, copy):
        rng = random.Random(0)
        for path in copy.folder.rglob("*"):
            if path.is_file() and ".git/" not in str(path):
                time = rng.uniform(1.6e9, 1.7e9)
                os.utime(path, (time, time))
        assert copy.planned() == set()

    def test_without_the_memory_of_snakemake(self, copy):
        shutil.rmtree(copy.folder / ".snakemake")
        assert copy.planned() == set()

    @pytest.mark.slow
    def test_after_going_back_and_forth(self, copy):
        copy.change("params/studies/toy.yaml", training__learning_rate=0.02)
        assert copy.planned() >= TRAININGS
        copy.git("checkout", "params")
        assert copy.planned() == set()


class TestAnEdit:
    """Plans what it touches, and nothing else."""

    def test_one_runs_recipe(self, copy):
        copy.change("params/runs.yaml", runs__pspnet_r50__recipe="slow")
        assert copy.planned() == {"train pspnet_r50 seed0", "evaluate pspnet_r50 seed0", "table table_2"}
        assert (
            "fbnet: train pspnet_r50 seed0 is stale: training.learning_rate 0.01 -> 0.005"
            in copy.snakemake("-n").stderr
        )

    def test_the_loss(self, copy):
        (copy.folder / "fbnet/training/losses.py").open("a").write("\n# A remark.\n")
        assert copy.planned() == TRAININGS | EVALUATIONS | REPORTS
        assert "train fcn_r50 seed0 is stale: fbnet/training/losses.py changed" in copy.snakemake("-n").stderr

    @pytest.mark.slow
    def test_one_head(self, copy):
        (copy.folder / "fbnet/models/heads/pspnet.py").open("a").write("\n# A remark.\n")
        touched = {f"{rule} {run} seed0" for rule in ("train", "evaluate") for run in RUNS[2:]}
        assert copy.planned() == touched | {"table table_2"}

    @pytest.mark.slow
    def test_the_evaluator(self, copy):
        (copy.folder / "fbnet/evaluation/predictor.py").open("a").write("\n# A remark.\n")
        assert copy.planned() == EVALUATIONS | REPORTS

    @pytest.mark.slow
    def test_a_note_under_a_table(self, copy):
        copy.change("params/runs.yaml", tables__table_2__note="Another note.")
        assert copy.planned() == {"table table_2"}

    @pytest.mark.slow
    def test_a_reported_number(self, copy):
        copy.edit("params/reported/table_1.csv", "76.3", "76.4")
        assert copy.planned() == {"table table_1"}

    @pytest.mark.slow
    def test_a_comment_in_the_code_of_reports(self, copy):
        (copy.folder / "fbnet/report/captions.py").open("a").write("\n# A remark.\n")
        assert copy.planned() == REPORTS

    @pytest.mark.slow
    def test_the_data(self, copy):
        copy.change("params/studies/toy.yaml", data__cityscapes__synthetic__seed=7)
        assert (
            copy.planned() == {"prepare_cityscapes_train", "prepare_cityscapes_val"} | TRAININGS | EVALUATIONS | REPORTS
        )

    def test_the_data_to_evaluate_on(self, copy):
        copy.change("params/studies/toy.yaml", data__cityscapes__synthetic__images__val=3)
        assert copy.planned() == {"prepare_cityscapes_val"} | EVALUATIONS | REPORTS

    def test_a_new_row(self, copy):
        copy.change(
            "params/runs.yaml",
            runs__mine={
                "label": "Mine",
                "backbone": "resnet50",
                "balance": {"stages": ["res4"]},
                "baseline": "fcn_r50",
            },
            tables__table_1__rows=["fcn_r50", "fcn_r50_fbnet", "fcn_r101", "fcn_r101_fbnet", "mine"],
        )
        copy.change("params/studies/toy.yaml", runs=[*RUNS, "mine"])
        assert copy.planned() == {"train mine seed0", "evaluate mine seed0", "table table_1"}

    @pytest.mark.slow
    def test_is_made_and_then_nothing_is_to_be_done(self, copy):
        copy.change("params/runs.yaml", runs__pspnet_r50__recipe="slow")
        copy.snakemake()
        assert copy.planned() == set()
        copy.git("checkout", "params")
        assert copy.planned() == {"train pspnet_r50 seed0", "evaluate pspnet_r50 seed0", "table table_2"}


def listing(clone):
    """All files and folders with their times, those of Snakemake, git and Python apart."""
    own = {".snakemake", ".git", "__pycache__"}
    found = (path for path in clone.folder.rglob("*") if not own & set(path.relative_to(clone.folder).parts))
    return {str(path): path.stat().st_mtime_ns for path in found}


class TestNothingIsWritten:
    def test_by_a_dry_run(self, copy):
        """Something is stale, and files are from the future."""
        (copy.folder / "fbnet/models/heads/pspnet.py").open("a").write("\n# A remark.\n")
        moment = time.time() + 24 * 3600
        os.utime(copy.folder / "results/toy/tables/table_1.csv", (moment, moment))
        copy.snakemake("-n")  # Python's own files
        before = listing(copy)
        temporary = set(Path(tempfile.gettempdir()).glob("fbnet-*"))
        result = copy.snakemake("-n")
        assert "fbnet: train pspnet_r50 seed0 is stale: fbnet/models/heads/pspnet.py changed" in result.stderr
        assert listing(copy) == before
        assert set(Path(tempfile.gettempdir()).glob("fbnet-*")) <= temporary

    @pytest.mark.slow
    def test_by_a_real_run_that_has_nothing_to_do(self, copy):
        before = listing(copy)
        assert "Nothing to be done" in copy.snakemake().stderr
        assert listing(copy) == before

    def test_but_its_results_by_a_job_process(self, copy):
        """Job process on another node; the submitting process has decided what is stale."""
        (copy.folder / "fbnet/report/captions.py").open("a").write("\n# A remark.\n")
        before = listing(copy)
        job = ("--target-jobs", "table:table=table_2", "--allowed-rules", "table", "--force", "--no-hooks", "--nolock")
        result = copy.snakemake("--mode", "remote", *job, "--ignore-incomplete")
        assert "1 of 1 steps (100%) done" in result.stderr
        assert "fbnet: " not in result.stderr
        changed = {path for path, moment in listing(copy).items() if before.get(path) != moment}
        files = {path for path in changed if (copy.folder / path).is_file()}
        assert files
        assert all(Path(path).stem.partition(".")[0] == "table_2" for path in files)


class TestMissing:
    def test_what_is_needed_and_versioned_is_asked_for(self, clone):
        clone.edit("fbnet/evaluation/predictor.py", '"""', '"""')
        (clone.folder / "fbnet/evaluation/predictor.py").open("a").write("\n# A remark.\n")
        result = clone.snakemake("-n", check=False)
        assert result.returncode == 2
        assert "model.pt: is needed for evaluate fcn_r50 seed0, but not here; `dvc pull` it" in result.stderr

    def test_what_shows_no_samples_is_made_again_without_data_and_checkpoints(self, clone):
        clone.change("params/studies/toy.yaml", description="others")
        tables = (f"results/toy/tables/{name}.md" for name in ("table_1", "table_2"))
        targets = ["--", *tables, "results/toy/figures/figure_2.png"]
        assert clone.planned(*targets) == {*TABLES, "figure figure_2"}
        clone.snakemake(*targets)
        assert "others" in (clone.folder / "results/toy/tables/table_1.md").read_text()
        assert clone.planned(*targets) == set()

    def test_a_result_without_record(self, copy):
        (copy.folder / "results/toy/provenance/table/table_1.json").unlink()
        assert copy.planned() == {"table table_1"}

    def test_a_damaged_record_is_one_line(self, copy):
        (copy.folder / "results/toy/provenance/table/table_1.json").write_text("{")
        result = copy.snakemake("-n", check=False)
        assert result.returncode == 2
        assert "table_1.json: no readable record" in result.stderr
        assert "Traceback" not in result.stderr


class TestRestamp:
    def test_an_accepted_change_is_recorded(self, copy):
        (copy.folder / "fbnet/training/losses.py").open("a").write("\n# A remark.\n")
        copy.run("fbnet", "restamp", "--study", "toy", "--because", "a remark only")
        assert copy.planned() == set()
        record = json.loads((copy.folder / "results/toy/provenance/train/fcn_r50/seed0.json").read_text())
        (accepted,) = record["accepted"]
        assert accepted["because"] == "a remark only"
        assert accepted["changes"] == ["fbnet/training/losses.py changed"]


def test_what_a_run_made_stale_is_said_at_its_end(copy):
    """A training repeated by force that comes out otherwise; what was stale before is no news."""
    copy.edit("fbnet/training/train.py", "torch.manual_seed(seed)", "torch.manual_seed(seed + 7)")
    copy.run("fbnet", "restamp", "--study", "toy", "--because", "to see other bytes")
    copy.change("params/runs.yaml", tables__table_2__note="Another note.")
    result = copy.snakemake("-R", "train", "--", "results/toy/runs/fcn_r50/seed0/model.pt")
    said = [line for line in result.stderr.partition("100%")[2].splitlines() if line.startswith("fbnet: ")]
    assert said == [
        "fbnet: evaluate fcn_r50 seed0 is stale now: made from another train fcn_r50 seed0",
        "fbnet: table table_1 is stale now: evaluate fcn_r50 seed0 is made again",
        "fbnet: figure figure_2 is stale now: evaluate fcn_r50 seed0 is made again",
        "fbnet: run snakemake again to make them",
    ]


def test_a_record(made):
    record = json.loads((made.folder / "results/toy/provenance/train/fcn_r50_fbnet/seed0.json").read_text())
    assert record["parameters"]["training"]["learning_rate"] == 0.01
    assert record["parameters"]["seed"] == 0
    assert set(record["inputs"]) == {f"prepare {TRAIN.replace('/', ' ')}"}
    assert record["git_commit"] == made.git("rev-list", "--max-parents=0", "HEAD")
    assert record["git_dirty"] is False
    assert {"python", "torch", "device", "threads"} <= set(record["environment"])
    assert record["started"] <= record["ended"]
    assert "fbnet/training/losses.py" in record["sources"]
    assert "fbnet/evaluation/evaluate.py" not in record["sources"]
