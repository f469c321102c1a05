"""Cells whose numbers were computed in, on and with different things, in a pair and in a row of several seeds."""

import json
import re

import pytest

from fbnet import paths
from fbnet.audit.alike import computed_alike
from fbnet.audit.chain import make_chain, read_records
from fbnet.cli import networks
from fbnet.runtime import instructions, precision
from tests.conftest import Project
from tests.provenance.conftest import load_graph, make_all
from tests.test_cli import fbnet, refused

BASELINE, FBNET = "fcn_r50", "fcn_r50_fbnet"
CPU = {"precision": "float32", "device": "cpu", "torch": "2.15.0"}
GAINS = "miou_gain, f_miou_gain"


def write_pair(seeds):
    """Write the study of a pair that leaves its precision open."""
    precision = {"training__precision": "auto", "evaluation__precision": "auto"}
    Project().write_study(runs=[BASELINE, FBNET], tables=["table_1"], figures=[], seeds=seeds, **precision)


@pytest.fixture
def graph(project):
    """A study of one pair and two seeds, everything made in one environment."""
    write_pair(seeds=[0, 1])
    graph = load_graph()
    make_all(graph)
    for result in graph.results:
        change(graph.study, result.kind, result.name, **CPU)
    return graph


def change(study, kind, name, **environment):
    """Change the environment in a record."""
    path = paths.provenance_file(study.name, kind, name)
    content = json.loads(path.read_text())
    content["environment"] |= environment
    path.write_text(json.dumps(content))


def failures(graph):
    results = graph.needed()
    found, _ = read_records(graph.study, results)
    check = computed_alike(graph.study, results, found, make_chain(graph.study, results, found))
    assert check.checked == 2 * (4 + 19)
    return {failure.location: failure.problem for failure in check.failures}


def test_what_was_computed_alike(graph):
    assert failures(graph) == {}


@pytest.mark.parametrize(
    ("environment", "phrase"),
    [
        ({"precision": "bfloat16"}, "trained in float32 (fcn_r50 seed0) and bfloat16 (fcn_r50_fbnet seed0)"),
        ({"device": "NVIDIA H100 80GB HBM3"}, "trained on cpu (fcn_r50 seed0) and cuda (fcn_r50_fbnet seed0)"),
        ({"torch": "2.16.0"}, "trained with torch 2.15.0 (fcn_r50 seed0) and 2.16.0 (fcn_r50_fbnet seed0)"),
    ],
)
def test_a_pair(graph, environment, phrase):
    """The gains alone: a row's own numbers were all computed alike."""
    for seed in (0, 1):
        change(graph.study, "train", f"{FBNET}/seed{seed}", **environment)
    assert failures(graph) == {f"results/toy/tables/table_1.csv: row {FBNET}, {GAINS}": f"not computed alike: {phrase}"}


def test_a_row_of_several_seeds(graph):
    """Every cell of the row, and the gain that is measured against it."""
    change(graph.study, "evaluate", f"{BASELINE}/seed1", precision="bfloat16")
    found = failures(graph)
    assert set(found.values()) == {
        "not computed alike: evaluated in float32 (fcn_r50 seed0) and bfloat16 (fcn_r50 seed1)"
    }
    rows = [re.search(r"row (\w+), (\w+, \w+)", location).groups() for location in found]
    assert rows == [(BASELINE, "miou, miou_gain"), (FBNET, GAINS)]


def test_builds_of_one_version_and_gpus_of_two_models_are_of_one_kind(graph):
    change(graph.study, "train", f"{FBNET}/seed0", torch="2.15.0+cu132")
    for run, model in ((BASELINE, "NVIDIA A100"), (FBNET, "NVIDIA H100")):
        for seed in (0, 1):
            change(graph.study, "train", f"{run}/seed{seed}", device=model)
    assert failures(graph) == {}


def test_what_is_not_recorded_differs_from_nothing(graph):
    path = paths.provenance_file("toy", "train", f"{FBNET}/seed0")
    content = json.loads(path.read_text())
    for key in CPU:
        content["environment"].pop(key)
    path.write_text(json.dumps(content))
    assert failures(graph) == {}


@pytest.mark.slow
def test_a_job_in_another_precision_is_refused_and_without_the_refusal_audited(project, tmp_path, monkeypatch):
    """A pair whose second run comes to a machine without the instructions of the first one's."""
    write_pair(seeds=[0])
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(instructions, "CPU_INFO", cpuinfo)
    cpuinfo.write_text("flags : avx2 avx512f avx512_bf16\n")

    def run(command, *arguments):
        return fbnet(command, "--study", "toy", *arguments)

    def make(name):
        return [run(command, "--run", name) for command in ("train", "evaluate")]

    assert run("prepare").returncode == 0
    assert [result.returncode for result in make(BASELINE)] == [0, 0]
    cpuinfo.write_text("flags : avx2\n")
    line = refused(run("train", "--run", FBNET))
    assert "results/toy/provenance/train/fcn_r50/seed0.json: study toy computes in bfloat16, for which" in line
    assert not paths.checkpoint_file("toy", FBNET, 0).exists()

    with monkeypatch.context() as patch:
        patch.setattr(networks, "job_precision", lambda *arguments: precision.best_precision("cpu"))
        assert [result.returncode for result in make(FBNET)] == [0, 0]
    assert run("table", "table_1").returncode == 0
    audited = run("audit")
    assert audited.returncode == 1
    unlike = [
        f"{done} in bfloat16 (fcn_r50 seed0) and float32 (fcn_r50_fbnet seed0)" for done in ("evaluated", "trained")
    ]
    assert f"row {FBNET}, {GAINS}: not computed alike: {'; '.join(unlike)}" in audited.stdout
    caption = paths.table_files("toy", "table_1")[1].read_text()
    assert "fcn_r50_fbnet: trained in bfloat16 (fcn_r50 seed 0) and float32 (fcn_r50_fbnet seed 0)" in caption
