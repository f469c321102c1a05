"""Snakemake itself, on a study so small that every one of its jobs runs."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fbnet import paths
from tests.conftest import ROOT

pytestmark = pytest.mark.workflow
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))


def snakemake(*arguments):
    # HOME apart, so that a user's own profile cannot change what is tested.
    environment = {**os.environ, "HOME": os.getcwd()}
    environment.pop("SNAKEMAKE_PROFILE", None)
    command = [SNAKEMAKE, "--cores", "2", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def workflow(project):
    """The project with its workflow, and a study of two runs and two seeds."""
    shutil.copy(ROOT / "Snakefile", "Snakefile")
    for folder in ("workflow", "profiles"):
        shutil.copytree(ROOT / folder, folder)
    project.write_study(
        runs=["fcn_r50", "fcn_r50_fbnet"],
        tables=["table_1"],
        figure_runs={"baseline": "fcn_r50", "fbnet": "fcn_r50_fbnet"},
    )
    return project


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


def test_everything_once_then_nothing(workflow):
    study = ("--config", "study=toy")
    assert planned(*study) == {
        "prepare_cityscapes": 1, "train": 4, "evaluate": 4, "table": 1, "figure": 3, "all": 1, "total": 14,
    }  # fmt: skip
    result = snakemake(*study)
    assert result.returncode == 0, result.stderr

    with paths.table_files("toy", "table_1")[0].open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["seeds"]) for row in rows] == [("fcn_r50", "2"), ("fcn_r50_fbnet", "2")]
    assert all(row["miou"] != "-" and row["miou_sd"] != "-" for row in rows)
    for name in ("figure_1", "figure_2", "figure_7"):
        assert all(path.stat().st_size > 1000 for path in paths.figure_files("toy", name))
    for name in ("prepare_cityscapes", "train/fcn_r50_seed0", "evaluate/fcn_r50_fbnet_seed1", "table_1", "figure_7"):
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
    assert "prepare_cityscapes" not in planned(*study)


def test_centroids_are_made_where_a_study_samples_by_class(workflow):
    workflow.write_study(seeds=[0], training__class_uniform={"tile": {"cityscapes": 64}})
    checkpoint = str(paths.checkpoint_file("toy", "fcn_r50", 0))
    study = ("--config", "study=toy", "--", checkpoint)
    jobs = planned(*study)
    assert [jobs.get(rule) for rule in ("prepare_cityscapes", "centroids_cityscapes", "train", "total")] == [1, 1, 1, 3]
    result = snakemake(*study)
    assert result.returncode == 0, result.stderr
    assert planned(*study) == {}

    # Another tile leaves the data as they are.
    workflow.write_study(seeds=[0], training__class_uniform={"tile": {"cityscapes": 32}})
    jobs = planned(*study)
    assert [jobs.get(rule) for rule in ("prepare_cityscapes", "centroids_cityscapes", "train", "total")] == [
        None,
        1,
        1,
        2,
    ]


def test_one_table(workflow):
    workflow.write_study(seeds=[0])
    jobs = planned("--config", "study=toy", "--", "results/toy/tables/table_2.csv")
    assert (jobs["train"], jobs["evaluate"], jobs["table"]) == (4, 4, 1)
    assert "figure" not in jobs


def test_runs_in_several_tables_are_one_run(workflow):
    assert planned("--config", "study=paper")["train"] == 18 * 3
    assert planned()["train"] == 18  # the demo


@pytest.mark.parametrize(
    ("study", "message"),
    [("kitti", "no such study 'kitti'; choose from"), ("toy", "training.crop: must be multiples of")],
)
def test_bad_parameters_are_one_line_and_exit_code_2(workflow, study, message):
    workflow.write_study(training__crop=[100, 100])
    result = snakemake("-n", "--config", f"study={study}")
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_failing_job_shows_its_line(workflow):
    shutil.copy(paths.study_file("camvid_small"), paths.study_file("toy"))
    result = snakemake("--config", "study=toy")
    assert result.returncode == 1
    assert "fbnet: data/raw/camvid: no such folder; point CAMVID_ROOT" in result.stderr
    assert not paths.RESULTS.exists()
