"""Folders that Snakemake cannot work in: one line and exit code 2, as from the `fbnet` command."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Disk
from tests.workflow.conftest import Clone, make_clone

pytestmark = pytest.mark.workflow


@pytest.fixture
def clone(tmp_path) -> Clone:
    return make_clone(tmp_path / "project")


@pytest.fixture
def disk(clone) -> Iterator[Disk]:
    """The disk that the whole project is on."""
    disk = Disk(clone.folder)
    disk.mount()
    yield disk
    subprocess.run(["umount", "-l", disk.folder], check=True)


def refused(clone: Clone, *arguments: str) -> str:
    result = clone.snakemake(*arguments, check=False)
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("results", "/nowhere"),
        ("results/toy", "toy"),
        ("results/toy/tables/table_1.csv", "/nowhere"),
        ("data/synthetic", "synthetic"),
        ("logs", "logs"),
        ("work", "/nowhere"),
        (".snakemake", "/nowhere"),
    ],
)
def test_a_link_to_nowhere_or_to_itself(clone, path, target):
    link = clone.folder / path
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    line = f"fbnet: {path}: a link to {target}, where nothing is; remove it or make its target"
    assert refused(clone, "-n") == line
    assert refused(clone) == line


def test_a_checkout_that_may_only_be_read(clone, disk):
    disk.change("ro")
    line = "fbnet: .snakemake: cannot be written, as Snakemake does even if it only plans; work in a copy"
    assert refused(clone, "-n") == line
    assert refused(clone) == line


def test_a_full_disk(clone, disk):
    disk.fill(0)
    line = "fbnet: .snakemake: no space left on device; make room, Snakemake needs some even to plan"
    assert refused(clone, "-n") == line
    assert refused(clone) == line


def test_a_home_that_cannot_be_written(clone):
    """Snakemake ends before it reads the Snakefile; another folder for its cache is the remedy."""
    home = {"HOME": "/dev/null"}
    result = clone.run("snakemake", "-n", "--config", "study=toy", check=False, **home)
    assert result.stdout.rstrip().endswith("NotADirectoryError: [Errno 20] Not a directory: '/dev/null/.cache'")
    assert result.returncode == 1
    clone.run("snakemake", "-n", "--config", "study=toy", **home, XDG_CACHE_HOME=str(clone.folder.parent))


def test_a_plan_leaves_nothing_but_folders_of_snakemake(clone):
    clone.snakemake("-n")
    assert clone.git("status", "--porcelain", "--ignored").split("\n") == ["!! .snakemake/"]
