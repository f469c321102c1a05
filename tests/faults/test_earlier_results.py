"""Results that are being made again: the earlier ones stay until their successors are whole."""

import os
import shutil
import signal
import subprocess

import psutil
import pytest

from tests.faults.conftest import RUN, Disk, wait_until

pytestmark = pytest.mark.workflow


@pytest.fixture
def stale(made):
    """Everything is made, then both runs are to be trained otherwise."""
    made.change("params/studies/toy.yaml", training__learning_rate=0.02)
    return made


@pytest.fixture
def full_logs(made):
    disk = Disk(made.folder / "logs")
    disk.mount()
    yield disk
    subprocess.run(["umount", "-l", disk.folder], check=True)


def take_back(clone, before: dict) -> None:
    """Take the edit back: the earlier results are there, file by file, and nothing is to be done."""
    clone.git("checkout", "params")
    assert clone.planned() == set()
    assert "Nothing to be done" in clone.snakemake().stderr
    assert clone.stamps() == before


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_stopped_while_it_trains_and_the_edit_is_taken_back(stale, number):
    before = stale.stamps()
    snakemake, trainer = stale.start_training()
    assert before.items() <= stale.stamps().items()
    os.killpg(snakemake.pid, number)
    snakemake.wait()
    psutil.wait_procs([trainer], timeout=30)
    take_back(stale, before)


def test_killed_before_the_job_put_them_back(stale):
    stale.edit("fbnet/workflow.py", 'return command if setpriv is None else f"', 'return f"sleep 60; ')
    before = stale.stamps()
    snakemake = stale.start()
    wait_until(lambda: not stale.checkpoint.exists())
    os.killpg(snakemake.pid, signal.SIGKILL)
    snakemake.wait()
    stale.git("checkout", "params", "fbnet")
    assert "Nothing to be done" in stale.snakemake().stderr
    assert stale.stamps() == before


@pytest.mark.slow
def test_a_training_that_fails(stale):
    """The other one is made anew."""
    before = {name: stamp for name, stamp in stale.stamps().items() if f"/{RUN}/" in name}
    snakemake, trainer = stale.start_training()
    trainer.kill()
    assert snakemake.wait() == 1
    now = stale.stamps()
    assert {name: stamp for name, stamp in now.items() if f"/{RUN}/" in name} == before
    assert not [name for name in now if name.endswith(".kept")]
    stale.git("checkout", "params")
    assert {job for job in stale.planned() if RUN in job} == set()


def test_logs_that_cannot_be_written(made, full_logs):
    before = made.stamps()
    full_logs.change("ro")
    made.change("params/runs.yaml", tables__table_1__note="Another note.")
    assert made.snakemake(check=False).returncode == 1
    take_back(made, before)


def test_full_logs(made, full_logs):
    """Snakemake itself cannot write its benchmark file; the table is made all the same."""
    shutil.rmtree(full_logs.folder / "toy")
    full_logs.fill(0)
    made.change("params/runs.yaml", tables__table_1__note="Another note.")
    assert made.snakemake(check=False).returncode == 1
    assert "Another note." in (made.folder / "results/toy/tables/table_1.md").read_text()
    assert made.planned() == set()
