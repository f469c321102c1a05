"""A throw-away clone of the project, with its own code, that the real tools work in."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, TOY

TOOLS = Path(sys.executable).parent
STUDY = TOY | {
    "seeds": [0],
    "runs": ["fcn_r50", "fcn_r50_fbnet", "pspnet_r50", "pspnet_r50_fbnet"],
    "tables": ["table_1", "table_2"],
    "figures": ["figure_2"],
    "figure_runs": {"baseline": "fcn_r50", "fbnet": "fcn_r50_fbnet"},
    "recipes": {"slow": {"learning_rate": 0.005}},
}


class Clone:
    """A folder with code, parameters and workflow, under git."""

    command = ("snakemake", "--cores", "2", "--config", "study=toy")

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def variables(self) -> dict[str, str]:
        """The environment, with the clone's own code first. HOME apart, so that no user's settings count."""
        variables = {**os.environ, "HOME": str(self.folder.parent), "PYTHONPATH": str(self.folder)}
        variables["PATH"] = f"{TOOLS}{os.pathsep}{variables['PATH']}"
        for name in ("SNAKEMAKE_PROFILE", "GIT_DIR", "CAMVID_ROOT"):
            variables.pop(name, None)
        return variables

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess:
        """Runs a tool of this environment."""
        variables = self.variables | environment
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, env=variables)
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
        return self.run("git", *who, *arguments).stdout.strip()

    def commit(self, message: str = "Change") -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        return self.run(*self.command, *arguments, check=check)

    def planned(self, *arguments: str) -> set[str]:
        """The jobs of a dry run, by what they make: `train fcn_r50 seed0`, `table table_1`."""
        result = self.snakemake("-n", *arguments)
        jobs, rule = set(), ""
        for line in result.stdout.splitlines() + result.stderr.splitlines():
            if line.startswith(("rule ", "localrule ")):
                rule = line.split()[1].rstrip(":")
                jobs |= {rule} if rule.startswith(("prepare_", "centroids_")) else set()
            elif line.strip().startswith("wildcards:"):
                values = [part.partition("=")[2] for part in line.split(":", 1)[1].strip().split(", ")]
                jobs.add(" ".join([rule, *(f"seed{value}" if value.isdigit() else value for value in values)]))
        return jobs

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def change(self, file: str, **changes: object) -> None:
        """Changes settings of a YAML file; a dotted key such as `training__crop` changes one of them."""
        path = self.folder / file
        content = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            *parents, last = key.split("__")
            place = content
            for parent in parents:
                place = place[parent]
            place[last] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False))


def stages(text: str) -> str:
    """The stages of dvc.yaml with those of camvid_pretrained made into the toy's."""
    content = yaml.safe_load(re.sub(r"camvid_pretrained\b", "toy", text))
    toy = content["stages"]["toy"]
    toy["foreach"] = {name: f"tables/{name}.csv" for name in STUDY["tables"]} | {"figure_2": "figures/figure_2.png"}
    return yaml.safe_dump(content, sort_keys=False)


def make_clone(folder: Path) -> Clone:
    """A new project with a study `toy` and nothing made, committed."""
    folder.mkdir(parents=True)
    for name in ("fbnet", "params", "workflow", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", ".gitignore", "pyproject.toml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(ROOT / ".dvc" / name, folder / ".dvc" / name)
    (folder / "dvc.yaml").write_text(stages((ROOT / "dvc.yaml").read_text()))
    (folder / "params/studies/toy.yaml").write_text(yaml.safe_dump(STUDY))
    clone = Clone(folder)
    clone.edit(".gitignore", "/data/provenance/*/synthetic*/\n", "")  # here drawn scenes are the data
    clone.git("init", "-q", "-b", "main")
    clone.commit("Beginning")
    return clone


@pytest.fixture(scope="session")
def made(tmp_path_factory, worker_id) -> Clone:
    """Project whose study `toy` is made and committed, once for all workers; tests take copies."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    clone, done = Clone(shared / "made/project"), shared / "made.done"
    with (shared / "made.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make_clone(clone.folder)
            clone.snakemake()
            clone.commit("Results")
            done.touch()
    return clone


@pytest.fixture
def copy(made, tmp_path) -> Clone:
    """Everything that is there after the study was made, data and checkpoints included."""
    shutil.copytree(made.folder, tmp_path / "project", symlinks=True)
    return Clone(tmp_path / "project")


@pytest.fixture
def clone(made, tmp_path) -> Clone:
    """Git clone, without data and checkpoints."""
    subprocess.run(["git", "clone", "-q", str(made.folder), str(tmp_path / "project")], check=True)
    return Clone(tmp_path / "project")


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
