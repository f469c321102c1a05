"""Snakemake itself, on a study so small that every one of its jobs runs."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fbnet import paths
from fbnet.config.load import load_study
from tests.conftest import EVERYTHING

pytestmark = pytest.mark.workflow
SNAKEMAKE, FBNET = (str(Path(sys.executable).with_name(name)) for name in ("snakemake", "fbnet"))


def snakemake(*arguments):
    # HOME apart, so that a user's own profile cannot change what is tested.
    environment = {**os.environ, "HOME": os.getcwd()}
    environment.pop("SNAKEMAKE_PROFILE", None)
    command = [SNAKEMAKE, "--cores", "2", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def planned(*arguments):
    """Jobs by rule that a dry run announces."""
    result = snakemake("-n", *arguments)
    assert result.returncode == 0, result.stderr
    text = result.stdout + result.stderr
    counts = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0].isidentifier() and words[1].isdigit():
            counts[words[0]] = int(words[1])
    return counts


@pytest.mark.slow
def test_everything_once_then_nothing(workflow):
    study = ("--config", "study=toy")
    assert planned(*study) == {
        "prepare_cityscapes_train": 1, "prepare_cityscapes_val": 1,
        "train": 4, "evaluate": 4, "table": 1, "figure": 3, "all": 1, "total": 15,
    }  # fmt: skip
    result = snakemake(*study)
    assert result.returncode == 0, result.stderr

    with paths.table_files("toy", "table_1")[0].open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["seeds"]) for row in rows] == [("fcn_r50", "2"), ("fcn_r50_fbnet", "2")]
    assert all(row["miou"] != "-" and row["miou_sd"] != "-" for row in rows)
    for name in ("figure_1", "figure_2", "figure_7"):
        assert all(path.stat().st_size > 1000 for path in paths.figure_files("toy", name))
    for name in (
        "prepare_cityscapes_val",
        "train/fcn_r50_seed0",
        "evaluate/fcn_r50_fbnet_seed1",
        "table_1",
        "figure_7",
    ):
        assert Path(f"logs/toy/{name}.log").exists()
        assert Path(f"logs/toy/{name}.benchmark.tsv").exists()
    assert "epoch 1/1 loss" in Path("logs/toy/train/fcn_r50_seed0.log").read_text()

    assert planned(*study) == {}
    assert "Nothing to be done" in snakemake(*study).stderr

    # A changed parameter makes what depends on it anew: here all, then one run's alone.
    workflow.write_study(
        runs=["fcn_r50", "fcn_r50_fbnet"],
        tables=["table_1"],
        figure_runs={"baseline": "fcn_r50", "fbnet": "fcn_r50_fbnet"},
        training__learning_rate=0.02,
    )
    assert planned(*study)["train"] == 4
    assert "prepare_cityscapes_train" not in planned(*study)


@pytest.mark.slow
def test_centroids_are_made_where_a_study_samples_by_class(workflow):
    workflow.write_study(seeds=[0], training__class_uniform={"tile": {"cityscapes": 64}})
    checkpoint = str(paths.checkpoint_file("toy", "fcn_r50", 0))
    study = ("--config", "study=toy", "--", checkpoint)
    jobs = planned(*study)
    assert jobs == {"prepare_cityscapes_train": 1, "centroids_cityscapes_train_64": 1, "train": 1, "total": 3}
    result = snakemake(*study)
    assert result.returncode == 0, result.stderr
    assert planned(*study) == {}

    # Another tile leaves the data as they are.
    workflow.write_study(seeds=[0], training__class_uniform={"tile": {"cityscapes": 32}})
    jobs = planned(*study)
    assert jobs == {"centroids_cityscapes_train_32": 1, "train": 1, "total": 2}


@pytest.mark.slow
def test_a_figure_of_measurements(workflow):
    """Its runs are trained and measured, evaluated for other figures only, and the audit finds nothing amiss."""
    workflow.write_study(
        runs=["fcn_r50", "fcn_r50_fbnet"],
        seeds=[0],
        tables=[],
        figures=["intensity"],
        figure_runs={"baseline": "fcn_r50", "fbnet": "fcn_r50_fbnet"},
    )
    study = ("--config", "study=toy")
    jobs = planned(*study)
    assert {name: jobs.get(name) for name in ("train", "measure", "evaluate", "figure")} == {
        "train": 2, "measure": 2, "evaluate": None, "figure": 1,
    }  # fmt: skip
    result = snakemake(*study)
    assert result.returncode == 0, result.stderr
    assert planned(*study) == {}
    audit = subprocess.run([FBNET, "audit", "--study", "toy"], capture_output=True, text=True, check=False)
    assert audit.returncode == 0, audit.stdout
    assert "files of measurements" in audit.stdout


def test_one_table(workflow):
    workflow.write_study(seeds=[0])
    jobs = planned("--config", "study=toy", "--", "results/toy/tables/table_2.csv")
    assert (jobs["train"], jobs["evaluate"], jobs["table"]) == (4, 4, 1)
    assert "figure" not in jobs


@pytest.mark.slow
@pytest.mark.parametrize("study", ["paper", "demo"])
def test_every_run_of_the_tables_is_planned_once(workflow, study):
    """Job counts equal those of `fbnet plan`, which derives them independently."""
    result = subprocess.run([FBNET, "plan", "--study", study, "--json"], capture_output=True, text=True, check=True)
    totals = json.loads(result.stdout)["totals"]
    jobs = planned("--config", f"study={study}")
    assert jobs["train"] == totals["trainings"]["needed"] == 24 * len(load_study(study).settings.seeds)
    assert jobs["evaluate"] + jobs["evaluate_multi_scale"] == totals["evaluations"]["needed"]
    assert jobs["export"] == totals["exports"]["needed"]
    assert (jobs["table"], jobs["figure"]) == (6, 3)


class TestLacking:
    """Missing inputs are named with the tables that need them; other tables are still built."""

    def test_data_and_weights_of_the_paper(self, workflow, monkeypatch):
        for name in ("CITYSCAPES", "BDD100K", "MAPILLARY"):
            Path(name).mkdir()
            monkeypatch.setenv(f"{name}_ROOT", str(Path(name).resolve()))
        result = snakemake("-n", "--config", "study=paper")
        assert result.returncode == 0
        lines = [line for line in result.stderr.splitlines() if line.startswith("fbnet: no ")]
        needs = {line.split(":")[1].split(";")[0].strip(): line.rpartition("needed by ")[2] for line in lines}
        everything = ", ".join(f"table_{number}" for number in range(1, 6))
        assert {key: value for key, value in needs.items() if key.startswith("no raw data")} == {
            "no raw data for cityscapes": everything,
            "no raw data for cityscapes_test": "table_5",
            "no raw data for cityscapes_coarse": "table_5",
            "no raw data for bdd100k": "table_6",
            "no raw data for mapillary": "table_5",
        }
        assert needs["no initial weights data/weights/wider_resnet38.pth.tar"] == "table_5"
        assert needs["no initial weights data/weights/resnet50-imagenet.pth"] == "table_1, table_2"

    @pytest.mark.slow
    def test_tables_that_need_none_of_it_are_made(self, workflow):
        bdd100k = {"dataset": "bdd100k", "root": "data/raw/bdd100k", "train": "train", "evaluate": "val"}
        runs = ["fcn_r50", "fcn_r50_fbnet", "deeplabv3plus_r101_bdd100k"]
        workflow.write_study(data__bdd100k=bdd100k, seeds=[0], runs=runs, tables=["table_1", "table_6"], figures=[])
        result = snakemake("--config", "study=toy")
        first = result.stderr.index("fbnet: no raw data for bdd100k: data/raw/bdd100k/images/10k/train is missing")
        assert first < result.stderr.index("Select jobs to execute")
        assert "needed by table_6" in result.stderr
        assert paths.table_files("toy", "table_1")[0].is_file()
        assert not paths.table_files("toy", "table_6")[0].exists()
        assert result.returncode == 1
        assert not paths.checkpoint_file("toy", "deeplabv3plus_r101_bdd100k", 0).exists()

    def test_nothing_is_said_where_nothing_is_lacking(self, workflow):
        assert "fbnet: no " not in snakemake("-n", "--config", "study=toy").stderr


class TestChain:
    PARENT, CHILD = "deeplabv3plus_wrn38_mapillary", "deeplabv3plus_wrn38_fbnet"

    @pytest.mark.slow
    def test_a_changed_parent_makes_the_child_stale(self, workflow):
        content = EVERYTHING | {"seeds": [0], "runs": [self.CHILD], "tables": ["table_5"], "figures": []}
        workflow.write_study(**content)
        study = ("--config", "study=toy")
        result = snakemake(*study)
        assert result.returncode == 0, result.stderr
        parent, child = (paths.checkpoint_file("toy", run, 0) for run in (self.PARENT, self.CHILD))
        assert parent.stat().st_mtime < child.stat().st_mtime
        assert planned(*study) == {}
        assert paths.metrics_file("toy", self.CHILD, 0, "multi_scale").is_file()
        assert not paths.metrics_file("toy", self.PARENT, 0).exists()

        recipes = {**EVERYTHING["recipes"], "finetuning": {**EVERYTHING["recipes"]["finetuning"], "epochs": 2}}
        workflow.write_study(**(content | {"recipes": recipes}))
        assert planned(*study)["train"] == 1
        recipes = {**EVERYTHING["recipes"], "pretraining": {**EVERYTHING["recipes"]["pretraining"], "epochs": 2}}
        workflow.write_study(**(content | {"recipes": recipes}))
        assert planned(*study) == {"train": 2, "evaluate_multi_scale": 1, "table": 1, "all": 1, "total": 5}


@pytest.mark.parametrize(
    ("study", "message"),
    [("kitti", "no such study 'kitti'; choose from"), ("toy", "training.crop: must be a multiple of 8, not 100")],
)
def test_bad_parameters_are_one_line_and_exit_code_2(workflow, study, message):
    workflow.write_study(training__crop=[100, 100])
    result = snakemake("-n", "--config", f"study={study}")
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_failing_job_shows_its_line(workflow):
    shutil.copy(paths.study_file("camvid"), paths.study_file("toy"))
    result = snakemake("--config", "study=toy")
    assert result.returncode == 1
    assert "fbnet: data/raw/camvid: no such folder; point CAMVID_ROOT" in result.stderr
    assert not paths.RESULTS.exists()
