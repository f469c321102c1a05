"""The command as a user types it: exit codes, one-line errors, and what `--help` costs."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from pathlib import Path

import pytest

from fbnet.cli import main
from tests.conftest import TRAIN

PREDICT = ("--checkpoint", "model.pt", "--output", "out")
FBNET = str(Path(sys.executable).with_name("fbnet"))


def fbnet(*arguments):
    """Run the command in this process: one of its own would take seconds to start."""
    output, messages = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(messages):
        patch.setattr(sys, "argv", ["fbnet", *map(str, arguments)])
        try:
            code = main()
        except SystemExit as stop:
            code = stop.code
    return subprocess.CompletedProcess(arguments, code or 0, output.getvalue(), messages.getvalue())


def refused(result):
    """The one line that a user sees."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--study", "kitti", "--run", "fcn_r50"), "params/studies/kitti.yaml: no such study 'kitti'; choose"),
        (("train", "--study", "toy", "--run", "fcn_r18"), "study toy: no run 'fcn_r18'; choose from fcn_r50,"),
        (("train", "--study", "toy", "--run", "fcn_r50", "--seed", "9"), "study toy: no seed 9; choose from 0, 1"),
        (("train", "--study", "toy", "--run", "fcn_r50"), f"data/{TRAIN}/manifest.json: not there; prepare"),
        (("train", "--study", "toy", "--run", "fcn_r50", "--device", "cuda"), "--device cuda: torch finds no CUDA GPU"),
        (("evaluate", "--study", "toy", "--run", "fcn_r50"), "results/toy/runs/fcn_r50/seed0/model.pt: not there"),
        (("submit", "fcn_r50", "--study", "toy"), "study toy: no data 'cityscapes_test'; choose from cityscapes"),
        (("export", "fcn_r50", "--study", "toy"), "use `fbnet submit` for the test server"),
        (("export", "fcn_r50"), "use `fbnet submit` for the test server"),
        (("export", "--seed", "1", "--study", "toy"), "use `fbnet submit` for the test server"),
        (
            ("export", "--checkpoint", "x.pt", "--output", "x.onnx", "--format", "torch-export"),
            "x.pt: not there; train",
        ),
        (("publish", "--study", "toy", "--run", "fcn_r18", "--output", "x"), "study toy: no run 'fcn_r18'; choose"),
        (("evaluate", "--multi-scale", "--study", "toy", "--run", "fcn_r50"), "toy.yaml: multi_scale: is missing"),
        (("train", "--study", "toy", "--run", "fcn_r50", "--gpus", "2", "--device", "cpu"), "--gpus 2: needs GPUs"),
        (("prepare", "--study", "camvid"), "data/raw/camvid: no such folder; point CAMVID_ROOT"),
        (
            ("prepare", "--study", "toy", "--split", "test"),
            "--split from cityscapes train, cityscapes val",
        ),
        (("centroids", "--study", "toy"), "study toy: no run is sampled by class from any data; see class_uniform"),
        (("table", "--study", "toy", "table_9"), "study toy: no table 'table_9'; choose from table_1"),
        (("figure", "--study", "toy", "figure_3"), "study toy: no figure 'figure_3'; choose from figure_1"),
        (("figure", "--study", "toy", "figure_2"), "metrics.json: no such file; make it: fbnet evaluate --study toy"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(project, arguments, message):
    if "cuda" in arguments:
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
    assert message in refused(fbnet(*arguments))


def test_installed_as_a_command(project):
    result = subprocess.run(
        [FBNET, "train", "--study", "kitti", "--run", "fcn_r50"], capture_output=True, text=True, check=False
    )
    assert "no such study 'kitti'" in refused(result)


def test_bad_parameters(project):
    project.write_study(training__crop=[100, 100])
    line = refused(fbnet("train", "--study", "toy", "--run", "fcn_r50"))
    assert "params/studies/toy.yaml: training.crop: must be a multiple of 8, not 100" in line


def test_outside_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "choose from none: run in the repository root" in refused(fbnet("flops"))


def test_what_the_system_refuses_is_one_line_too(project):
    """A name that no file may have, and a file where a folder is to be."""
    assert "File name too long; see to the path" in refused(fbnet("predict", *PREDICT, "x" * 300))
    Path("data").write_text("")
    assert "fbnet: data" in refused(fbnet("prepare", "--study", "toy"))


def test_debug_shows_the_traceback(project):
    result = fbnet("--debug", "flops", "--study", "kitti")
    assert result.returncode == 2
    assert "Traceback" in result.stderr


@pytest.fixture
def pair(project):
    """The study `toy` with two runs."""
    runs = ["fcn_r50", "fcn_r50_fbnet"]
    project.write_study(runs=runs, tables=["table_1"], figure_runs=dict(zip(("baseline", "fbnet"), runs, strict=True)))


def test_flops_as_json(pair):
    result = fbnet("flops", "--study", "toy", "--json")
    assert result.returncode == 0
    counted = json.loads(result.stdout)
    assert [set(entry) for entry in counted] == [{"run", "gflops", "parameters"}] * 2
    assert [entry["run"] for entry in counted] == ["fcn_r50", "fcn_r50_fbnet"]


def test_flops_as_a_table(pair):
    lines = fbnet("flops", "--study", "toy").stdout.splitlines()
    assert lines[0].split() == ["run", "gflops", "parameters"]
    assert len(lines) == 4


@pytest.mark.parametrize(
    "command", ["prepare", "centroids", "train", "evaluate", "submit", "table", "figure", "flops", "plan"]
)
def test_help(project, command):
    result = fbnet(command, "--help")
    assert result.returncode == 0
    assert "--study" in result.stdout


def test_version():
    assert fbnet("--version").stdout == f"fbnet, version {metadata.version('fbnet')}\n"


def test_parameters_and_help_need_no_torch():
    modules = (
        "fbnet.report.tables, fbnet.report.figures, fbnet.audit.paper, fbnet.planning.plan, fbnet.evaluation.score"
    )
    code = f"import sys, fbnet.cli, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
