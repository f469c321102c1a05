"""Names out of files do nothing in a shell: they are refused, or quoted."""

import re
import shutil

import pytest
import torch

from tests.conftest import ROOT
from tests.workflow.conftest import make_clone

pytestmark = pytest.mark.workflow
HARM = "w; touch harm; $(touch harm) `touch harm` 'a \"b.pth"


def test_every_word_in_a_command_is_quoted():
    """But the command itself, which is quoted where it is made, and Snakemake's own numbers."""
    files = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]
    commands = [text for file in files for text in re.findall(r"shell:((?:\s*\".*\")+)", file.read_text())]
    assert len(commands) == sum(file.read_text().count("shell:") for file in files) == 9
    for word in re.findall(r"\{(.*?)\}", " ".join(commands)):
        assert word.endswith(":q") or word in ("FBNET", "params.command")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("params/runs.yaml", {"runs__x; touch harm": {"label": "x"}}),
        ("params/runs.yaml", {"tables__$(touch harm)": {}}),
        ("params/studies/toy.yaml", {"data__cityscapes__train": "`touch harm`"}),
    ],
)
def test_a_harmful_name_in_params_is_refused(tmp_path, file, change):
    clone = make_clone(tmp_path / "project")
    if "tables" in str(change):
        table = {"title": "x", "describe": ["method"], "columns": ["miou"], "rows": ["fcn_r50"]}
        change = dict.fromkeys(change, table)
    clone.change(file, **change)
    result = clone.snakemake(check=False)
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("fbnet: ")]
    assert "must match pattern" in line
    assert not list(clone.folder.rglob("harm"))


def test_a_harmful_study_is_refused(tmp_path):
    clone = make_clone(tmp_path / "project")
    studies = clone.folder / "params/studies"
    shutil.copy(studies / "toy.yaml", studies / "x; touch harm.yaml")
    result = clone.run("snakemake", "--cores", "1", "--config", "study=x; touch harm", check=False)
    assert result.returncode == 2
    assert "fbnet: study 'x; touch harm': must be of letters, digits" in result.stderr
    assert not list(clone.folder.rglob("harm"))


def test_a_harmful_name_of_weights_is_a_name(tmp_path):
    """Files of weights may have any name: the job that records one gets it as it is, and its log too."""
    clone = make_clone(tmp_path / "project")
    torch.save({}, clone.folder / HARM)
    clone.change("params/studies/toy.yaml", width=1.0, training__initial_weights={"resnet50": HARM})
    result = clone.snakemake("--", f"data/weights/{HARM}.json")
    assert "1 of 1 steps (100%) done" in result.stderr
    assert (clone.folder / f"data/weights/{HARM}.json").is_file()
    assert (clone.folder / f"logs/toy/weights/{HARM}.log").read_text().startswith(HARM)
    assert not list(clone.folder.rglob("harm"))
