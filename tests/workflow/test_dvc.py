"""DVC keeps the versions: the real one, with a local remote, around the real Snakemake."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
import yaml
from dvc.repo import Repo

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.config.registry import DATASETS
from fbnet.provenance.graph import build_graph
from tests.conftest import ROOT, TRAIN, VAL
from tests.workflow.conftest import TOOLS, Clone, make_clone

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="session")
def versioned(made, tmp_path_factory):
    """The made project with its large files in a remote, everything committed."""
    folder = tmp_path_factory.mktemp("versioned")
    shutil.copytree(made.folder, folder / "project", symlinks=True)
    project = Clone(folder / "project")
    project.run("dvc", "repro", "toy")
    project.run("dvc", "remote", "add", "--default", "store", str(folder / "store"))
    project.run("dvc", "push")
    project.commit("Versions")
    return project


@pytest.fixture
def slower(versioned, tmp_path):
    """The project with a later version, in which one of its runs is trained otherwise."""
    shutil.copytree(versioned.folder, tmp_path / "project", symlinks=True)
    project = Clone(tmp_path / "project")
    project.change("params/runs.yaml", runs__pspnet_r50__recipe="slow")
    project.run("dvc", "repro", "toy")
    project.commit("Slower")
    return project


@pytest.fixture
def cloned(versioned, tmp_path):
    subprocess.run(["git", "clone", "-q", str(versioned.folder), str(tmp_path / "project")], check=True)
    return Clone(tmp_path / "project")


def test_every_study_has_its_stages():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(stages) == {path.stem for path in (ROOT / "params/studies").glob("*.yaml")}
    for name, stage in stages.items():
        study = load_study(name)
        assert list(stage["foreach"]) == [*study.tables, *study.figures]
        results = {result.name: node for result, node in build_graph(study).results.items()}
        for item, file in stage["foreach"].items():
            assert paths.study_dir(name) / file == results[item].identity[0]
        assert stage["do"]["outs"] == [{f"results/{name}/${{item}}": {"cache": False, "persist": True}}]


@pytest.mark.parametrize("dataset", DATASETS)
def test_prepared_data_are_not_for_git_and_their_pointers_are(made, dataset):
    folder = paths.prepared_dir(f"{dataset}/train-0123abcd")
    record = paths.provenance_file("toy", "prepare", f"{dataset}/train-0123abcd")
    names = (f"{folder}/", f"{folder}.89ab.part/", f"{folder}.dvc", str(record))
    assert made.run("git", "check-ignore", *names, check=False).stdout.split() == list(names[:2])
    scm = Repo(str(made.folder)).scm  # as DVC reads the patterns
    assert not scm.is_ignored(f"{paths.DATA}/")
    assert not scm.is_ignored(f"{folder.parent}/")


def test_one_pointer_a_file_and_nothing_large_in_git(versioned):
    tracked = versioned.git("ls-files").splitlines()
    assert {f"data/{TRAIN}.dvc", f"data/{VAL}.dvc"} <= set(tracked)
    assert "results/toy/runs/fcn_r50/seed0/model.pt.dvc" in tracked
    assert "results/toy/provenance/train/fcn_r50/seed0.json" in tracked
    assert "results/toy/tables/table_1.csv" in tracked
    assert not [name for name in tracked if name.endswith((".pt", ".npy", ".npz"))]
    assert versioned.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    "cache", ["copy", *(pytest.param(way, marks=pytest.mark.slow) for way in ("hardlink", "symlink"))]
)
def test_nothing_to_be_done_after_a_pull(cloned, cache):
    cloned.run("dvc", "config", "--local", "cache.type", cache)
    cloned.run("dvc", "pull")
    assert (cloned.folder / "results/toy/runs/fcn_r50/seed0/model.pt").exists()
    assert (cloned.folder / f"data/{TRAIN}/manifest.json").exists()
    assert cloned.planned() == set()
    assert cloned.run("dvc", "repro", "toy").stderr.count("Nothing to be done") == 3  # asked for each table and figure
    assert cloned.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_an_edit_after_a_pull_is_made(cloned):
    cloned.run("dvc", "pull")
    cloned.change("params/runs.yaml", runs__pspnet_r50__recipe="slow")
    assert cloned.planned() == {"train pspnet_r50 seed0", "evaluate pspnet_r50 seed0", "table table_2"}
    cloned.run("dvc", "repro", "toy")
    assert cloned.planned() == set()
    changed = cloned.git("status", "--porcelain").splitlines()
    assert any("pspnet_r50/seed0/model.pt.dvc" in line for line in changed)
    assert not any("fcn_r50/seed0/model.pt.dvc" in line for line in changed)


@pytest.mark.slow
def test_back_to_an_old_revision_and_forth(slower):
    for revision in ("HEAD~1", "main"):
        slower.git("checkout", "-q", revision)
        slower.run("dvc", "checkout")
        assert slower.planned() == set()


@pytest.mark.slow
def test_files_of_another_version_are_not_used(slower):
    """After `git checkout` without `dvc checkout`, large files are those of the other revision."""
    slower.git("checkout", "-q", "HEAD~1")
    slower.change("params/studies/toy.yaml", evaluation__samples=1)
    metrics = slower.folder / "results/toy/runs/pspnet_r50/seed0/metrics.json"
    before = metrics.read_bytes()
    refused = slower.snakemake("--", "results/toy/tables/table_2.csv", check=False)
    assert refused.returncode == 1
    said = (slower.folder / "logs/toy/evaluate/pspnet_r50_seed0.log").read_text().splitlines()
    assert len(said) == 1
    assert "pspnet_r50/seed0/model.pt: is not the file that its record names; `dvc checkout` it" in said[0]
    record = json.loads((slower.folder / "results/toy/provenance/train/pspnet_r50/seed0.json").read_text())

    slower.run("dvc", "checkout", "results/toy/runs/pspnet_r50/seed0/model.pt.dvc")
    slower.snakemake("--", "results/toy/tables/table_2.csv")
    evaluated = json.loads((slower.folder / "results/toy/provenance/evaluate/pspnet_r50/seed0.json").read_text())
    assert evaluated["inputs"]["train pspnet_r50 seed0"] == record["digest"]
    assert metrics.read_bytes() != before


@pytest.mark.slow
def test_one_table_trains_its_runs_only(tmp_path):
    project = make_clone(tmp_path / "project")
    project.run("dvc", "repro", "toy@table_2")
    assert {path.name for path in (project.folder / "results/toy/runs").iterdir()} == {"pspnet_r50", "pspnet_r50_fbnet"}
    assert (project.folder / "results/toy/tables/table_2.csv").is_file()
    assert not (project.folder / "results/toy/tables/table_1.csv").exists()
    assert "Nothing to be done" in project.run("dvc", "repro", "toy@table_2").stderr


@pytest.mark.slow
def test_killed_and_started_again(tmp_path):
    """Finished results are not rebuilt."""
    project = make_clone(tmp_path / "project")
    checkpoint = project.folder / "results/toy/provenance/train/pspnet_r50/seed0.json"
    other = project.folder / "results/toy/provenance/train/pspnet_r50_fbnet/seed0.json"
    environment = {**os.environ, "PYTHONPATH": str(project.folder), "HOME": str(tmp_path)}
    environment["PATH"] = f"{TOOLS}{os.pathsep}{environment['PATH']}"
    command = ["dvc", "repro", "toy@table_2"]
    with subprocess.Popen(
        command, cwd=project.folder, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 300
        while not (checkpoint.exists() or other.exists()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    finished = [path for path in (checkpoint, other) if path.exists()]
    before = [path.read_bytes() for path in finished]
    assert not (project.folder / "results/toy/tables/table_2.csv").exists()
    project.snakemake("--unlock")
    project.run("dvc", "repro", "toy@table_2")
    assert [path.read_bytes() for path in finished] == before
    assert (project.folder / "results/toy/tables/table_2.csv").is_file()


@pytest.mark.slow
def test_metrics_and_plots(versioned, tmp_path):
    assert versioned.run("git", "check-ignore", "dvc_plots/").stdout  # where plots go unless told otherwise
    shown = versioned.run("dvc", "metrics", "show").stdout
    assert "table_1.json" in shown
    assert "fcn_r50.miou" in shown
    history = "results/toy/runs/fcn_r50/seed0/history.csv"
    versioned.run("dvc", "plots", "show", "-x", "epoch", "-y", "loss", "-o", str(tmp_path), history)
    assert "history.csv" in (tmp_path / "index.html").read_text()


@pytest.mark.slow
def test_an_experiment_with_one_changed_parameter(versioned, tmp_path):
    shutil.copytree(versioned.folder, tmp_path / "project", symlinks=True)
    project = Clone(tmp_path / "project")
    setting = "params/studies/toy.yaml:recipes.slow.learning_rate=0.004"
    project.change("params/runs.yaml", runs__pspnet_r50__recipe="slow")
    project.commit("A slow run")
    project.run("dvc", "exp", "run", "-S", setting, "toy@table_2")
    assert "0.004" in (project.folder / "params/studies/toy.yaml").read_text()
    record = (project.folder / "results/toy/provenance/train/pspnet_r50/seed0.json").read_text()
    assert '"learning_rate": 0.004' in record
    assert project.planned() == set()
