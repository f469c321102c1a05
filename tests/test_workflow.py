"""Inputs, outputs and resources of the rules, without Snakemake."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from fbnet import paths, workflow
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.provenance.graph import of_run
from fbnet.workflow import Workflow, exit_on_bad_input, open_workflow
from tests.conftest import TRAIN, VAL
from tests.provenance.conftest import made  # noqa: F401

RUN = "fcn_r50"
MODEL = f"results/toy/runs/{RUN}/seed0/model.pt"
MANIFESTS = [str(paths.manifest_file(name)) for name in (TRAIN, VAL)]
YEAR = 365 * 24 * 3600


def change_study(project, **changes):
    """Change the study that was made, and load it."""
    study = {"seeds": [0], "runs": [RUN, "fcn_r50_fbnet"], "tables": ["table_1"], "figures": ["figure_2"]}
    project.write_study(**(study | {"figure_runs": {"baseline": RUN, "fbnet": "fcn_r50_fbnet"}} | changes))
    return load_study("toy")


def listing():
    """All files of the project with their times."""
    return {path: path.stat().st_mtime_ns for path in Path().rglob("*")}


@pytest.fixture
def stale_study(made, project):  # noqa: F811
    """Everything is made, then trained otherwise."""
    return change_study(project, training__learning_rate=0.02)


class TestUpToDate:
    def test_inputs_without_marker(self, made):  # noqa: F811
        jobs = Workflow(made.study)
        jobs.begin()
        assert jobs.inputs("evaluate", f"{RUN}/seed0") == {"files": [MODEL, MANIFESTS[1]]}
        assert not (paths.WORK / "stale").exists()

    def test_a_missing_file_is_not_needed(self, made):  # noqa: F811
        Path(MODEL).unlink()
        assert Workflow(made.study).inputs("evaluate", f"{RUN}/seed0") == {"files": [MODEL, MANIFESTS[1]]}

    def test_files_from_the_future_are_set_back(self, made):  # noqa: F811
        os.utime(MODEL, (time.time() + YEAR,) * 2)
        Workflow(made.study).begin()
        assert Path(MODEL).stat().st_mtime <= time.time()


class TestStale:
    def test_inputs_with_a_marker_newer_than_the_result(self, stale_study):
        jobs = Workflow(stale_study)
        jobs.begin()
        marker = jobs.inputs("train", f"{RUN}/seed0")["stale"]
        assert Path(marker).parent == paths.WORK / "stale"
        assert Path(marker).stat().st_mtime > Path(MODEL).stat().st_mtime
        assert jobs.inputs("prepare", TRAIN) == {"files": []}

    def test_no_two_markers_are_alike(self, stale_study):
        first, second = Workflow(stale_study), Workflow(stale_study)
        first.begin()
        second.begin()
        assert first.marker != second.marker
        assert first.marker.read_text() != second.marker.read_text()

    def test_the_precision_that_jobs_find_is_chosen_before_them(self, made, project, monkeypatch):  # noqa: F811
        """A dry run, and one that computes nothing whose precision is open, choose nothing."""
        monkeypatch.setattr(workflow, "machine_precision", lambda: "bfloat16")
        note = paths.precision_note("toy")
        Workflow(change_study(project, training__learning_rate=0.02)).begin()
        study = change_study(project, training__precision="auto")
        Workflow(study, dry_run=True).begin()
        Workflow(study, main_process=False)
        assert not note.exists()
        Workflow(study).begin()
        assert json.loads(note.read_text())["precision"] == "bfloat16"

    def test_a_missing_file_of_an_up_to_date_result(self, made, project):  # noqa: F811
        Path(MODEL).unlink()
        jobs = Workflow(change_study(project, evaluation__samples=1))
        with pytest.raises(InputError, match=rf"{MODEL}: is needed for evaluate {RUN} seed0, but not here; `dvc pull`"):
            jobs.inputs("evaluate", f"{RUN}/seed0")

    def test_samples_are_needed_where_they_are_shown(self, made, project):  # noqa: F811
        """They are large, and not in git."""
        samples, metrics = paths.samples_file("toy", RUN, 0), str(paths.metrics_file("toy", RUN, 0))
        samples.unlink()
        runs = {"baseline": RUN, "fbnet": RUN}
        jobs = Workflow(
            change_study(project, description="another", figures=["figure_1", "figure_2"], figure_runs=runs)
        )
        jobs.begin()
        assert metrics in jobs.inputs("table", "table_1")["files"]
        assert metrics in jobs.inputs("figure", "figure_2")["files"]
        with pytest.raises(InputError, match=f"{samples}: is needed for figure figure_1"):
            jobs.inputs("figure", "figure_1")

    def test_a_read_only_folder_is_said_at_once(self, stale_study, monkeypatch, caplog):
        monkeypatch.setattr(os, "access", lambda path, mode: path != paths.RESULTS)
        Workflow(stale_study).begin()
        assert caplog.messages == ["results: cannot be written; see to its permissions and the disk"]

    def test_report(self, stale_study, caplog):
        Workflow(stale_study).report()
        assert f"train {RUN} seed0 is stale: training.learning_rate 0.01 -> 0.02" in caplog.messages
        assert not any(message.startswith("evaluate") for message in caplog.messages)

    def test_a_dry_run_reports_and_writes_nothing(self, stale_study, caplog):
        before = listing()
        jobs = Workflow(stale_study, dry_run=True)
        jobs.begin()
        assert f"train {RUN} seed0 is stale: training.learning_rate 0.01 -> 0.02" in caplog.messages
        assert jobs.marker.stat().st_mtime > Path(MODEL).stat().st_mtime
        assert jobs.inputs("train", f"{RUN}/seed0") == {"files": [MANIFESTS[0]], "stale": str(jobs.marker)}
        assert listing() == before

    def test_a_job_process_decides_nothing(self, stale_study, monkeypatch, caplog):
        monkeypatch.setattr(workflow, "stale", None)
        before = listing()
        jobs = open_workflow("toy", main_process=False, dry_run=False)
        assert jobs.inputs("train", f"{RUN}/seed0") == {"files": [MANIFESTS[0]]}
        assert listing() == before
        assert caplog.messages == []


def test_a_result_that_the_study_does_not_have(project):
    with pytest.raises(InputError, match=r"study toy: there is no evaluate_multi_scale fcn_r50 seed0; see params/"):
        Workflow(load_study("toy")).inputs("evaluate_multi_scale", f"{RUN}/seed0")


def test_outputs(project):
    jobs = Workflow(load_study("toy"))
    assert jobs.outputs("train")[:2] == [
        "results/toy/runs/{run}/seed{seed}/model.pt",
        "results/toy/runs/{run}/seed{seed}/history.csv",
    ]
    result = of_run("train", RUN, 0)
    assert jobs.outputs("train", result.name) == [str(path) for path in jobs.graph[result].outputs]
    assert f"data/{TRAIN}/labels.npy" in jobs.outputs("prepare", TRAIN)
    assert "results/toy/tables/{table}.csv" in jobs.outputs("table", "{table}")


def test_wildcards(project):
    jobs = Workflow(load_study("toy"))
    assert jobs.wildcards["seed"] == "0|1"
    assert jobs.wildcards["table"] == "table_1|table_2|table_3|table_4"
    assert jobs.wildcards["weights"] == "none"
    paper = Workflow(load_study("paper"))
    assert r"resnet50\-imagenet\.pth" in paper.wildcards["weights"].split("|")
    assert paper.weights["resnet50-imagenet.pth"] == "data/weights/resnet50-imagenet.pth"


def test_threads_are_those_that_a_cpu_computes_with(project):
    assert Workflow(change_study(project)).threads == 1
    assert Workflow(change_study(project, seeds=[0, 1], training__threads=2)).threads == 2


def test_bad_input_ends_the_process(project, caplog):
    with pytest.raises(SystemExit) as ended:
        open_workflow("kitti", main_process=True, dry_run=True)
    assert ended.value.code == 2
    assert "no such study 'kitti'" in caplog.text
    assert exit_on_bad_input(max, 1, 2) == 2


class TestCommand:
    def test_jobs_end_with_their_snakemake_where_the_system_can(self, made, monkeypatch):  # noqa: F811
        monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/setpriv")
        assert Workflow(made.study).command().startswith("exec /usr/bin/setpriv --pdeathsig TERM /")
        monkeypatch.setattr(shutil, "which", lambda name: None)
        assert Workflow(made.study).command().endswith("/fbnet")

    def test_a_launcher_starts_several_processes(self, made):  # noqa: F811
        assert Workflow.launcher(4, {"nodes": 1, "gpu": 2}) == ""
        launcher = Workflow.launcher(4, {"mpi": "srun", "tasks": 2})
        assert launcher == "srun --ntasks=2 --cpus-per-task=4 --wait=60"
        assert f" {launcher} /" in Workflow(made.study).command(launcher)

    def test_a_container_has_its_own(self, made):  # noqa: F811
        jobs = Workflow(made.study, in_container=True)
        assert jobs.command() == "python -m fbnet"
        assert jobs.command("srun --ntasks=2") == "srun --ntasks=2 python -m fbnet"


class TestTrainingOptions:
    @pytest.mark.parametrize(
        ("threads", "gpu", "options"),
        [
            (8, 1, "--gpus 1 --workers 8"),
            (8, 2, "--gpus 2 --workers 4"),
            (2, 4, "--gpus 4 --workers 0"),
            (1, 0, "--gpus 1 --workers 1 --device cpu"),
        ],
    )
    def test_processes_and_loaders_share_gpus_and_threads(self, made, threads, gpu, options):  # noqa: F811
        assert " ".join(Workflow(made.study).training_options(threads, {"gpu": gpu})) == options

    def test_jobs_of_a_cluster_are_requeued(self, made):  # noqa: F811
        jobs = Workflow(made.study, main_process=False, remote=True)
        assert jobs.training_options(1, {"gpu": 1})[-1] == "--requeue"

    def test_a_scratch_folder_is_passed_on(self, made):  # noqa: F811
        options = Workflow(made.study).training_options(1, {"gpu": 1, "scratch": "/local"})
        assert options[-2:] == ["--scratch", "/local"]
