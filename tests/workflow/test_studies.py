"""Studies on one data set: they share the splits that are the same, and leave each other's results alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.workflow.conftest import STUDY, Clone, make_clone

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

SPLITS = {"one": ("train", "test"), "two": ("train", "val")}


def write_frames(folder: Path, split: str) -> None:
    for name in (split, f"{split}annot"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(len(split))
    for index in range(2):
        frame = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(frame).save(folder / split / f"f{index}.png")
        Image.fromarray(np.full((64, 96), index, dtype=np.uint8)).save(folder / f"{split}annot/f{index}.png")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Clone:
    """Two studies on frames in the folders of CamVid, which differ in the split to evaluate on."""
    clone = make_clone(tmp_path_factory.mktemp("studies") / "project")
    for split in ("train", "val", "test"):
        write_frames(clone.folder / "data/raw/camvid", split)
    for file in (clone.folder / "params/studies").glob("camvid*.yaml"):
        file.unlink()  # shipped studies, which use the same splits
    for name, (train, evaluate) in SPLITS.items():
        camvid = {"dataset": "camvid", "root": "data/raw/camvid", "train": train, "evaluate": evaluate}
        study = STUDY | {
            "data": {"cityscapes": camvid},
            "runs": ["fcn_r50", "fcn_r50_fbnet"],
            "tables": ["table_1"],
            "figures": [],
        }
        (clone.folder / f"params/studies/{name}.yaml").write_text(yaml.safe_dump(study))
    return clone


def made_by(project: Clone, study: str) -> dict[str, int]:
    """Make a study, and return the number of jobs of each kind that this took."""
    result = project.run("snakemake", "--cores", "2", "--config", f"study={study}")
    rules = [
        line.split()[1].rstrip(":") for line in result.stderr.splitlines() if line.startswith(("rule ", "localrule "))
    ]
    kinds = [rule.split("_")[0] for rule in rules]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds) if kind != "all"}


def test_in_turn_each_is_made_once(project):
    jobs = {"prepare": 2, "train": 2, "evaluate": 2, "table": 1}
    assert made_by(project, "one") == jobs
    assert made_by(project, "two") == jobs | {"prepare": 1}  # the training split is shared
    assert made_by(project, "one") == {}
    assert made_by(project, "two") == {}
    for study in SPLITS:
        assert "every cell holds" in project.run("fbnet", "audit", "--study", study).stdout


def test_unused_splits_are_listed_and_removed(project):
    """With their records; what the other study uses stays."""
    for study in SPLITS:  # made already, unless the test above ran in another process
        made_by(project, study)
    assert "used by no study" not in project.run("fbnet", "plan", "--study", "one").stdout
    (unused,) = (project.folder / "data/camvid").glob("val-*")
    record = project.folder / f"data/provenance/prepare/camvid/{unused.name}.json"
    size = sum(path.stat().st_size for path in unused.iterdir())
    assert record.exists()
    (project.folder / "params/studies/two.yaml").unlink()

    listed = json.loads(project.run("fbnet", "plan", "--study", "one", "--json").stdout)["unused"]
    assert listed == [{"folder": f"data/camvid/{unused.name}", "bytes": size}]
    assert f"data/camvid/{unused.name}" in project.run("fbnet", "plan", "--study", "one").stdout

    refused = project.run("fbnet", "clean", check=False)  # nobody answers
    assert refused.returncode == 1
    assert unused.exists()
    project.run("fbnet", "clean", "--yes")
    assert not unused.exists()
    assert not record.exists()
    assert made_by(project, "one") == {}
    assert "every cell holds" in project.run("fbnet", "audit", "--study", "one").stdout
