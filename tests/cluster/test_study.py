"""A study through Slurm gives the bytes of a local one, whatever happens to its jobs."""

import os
import signal

import pytest

from fbnet import paths
from tests.cluster.conftest import METRICS, MODEL, PATIENCE
from tests.cluster.kit import wait_until
from tests.faults.conftest import RUN

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
GOES_ON = f"{RUN} seed 0: resuming from iteration"


REQUEST = {"TimeLimit=1-00:00:00", "MinMemoryNode=14000M", "TresPerJob=gres:gpu:1", "NumNodes=1", "NumCPUs=1"}


def test_time_limits(begun, reference):
    """What Slurm sends before a time limit: the same job goes back into the queue, and no retry is used up."""
    snakemake = begun.submit("--retries", "0", "--", METRICS)
    assert set(begun.kit.run("scontrol", "show", "job", *begun.jobs()).split()) >= REQUEST
    for _ in range(2):
        (job,) = begun.jobs()
        begun.interrupt(lambda: begun.kit.run("scancel", "--signal=TERM", *begun.jobs()))
        begun.wait_for_log(f"asking Slurm to put job {job} back into the queue")
        begun.wait_for_state(snakemake)
    assert snakemake.wait(timeout=PATIENCE) == 0, begun.said.read_text()
    assert list(begun.jobs()) == [job]
    assert GOES_ON in begun.log()
    assert begun.results() == reference.results()
    assert "Nothing to be done" in begun.snakemake("--", METRICS).stderr


def test_trainer_killed_then_snakemake_interrupted_then_snakemake_killed(begun, reference):
    """Once a job is tried again; Ctrl-C leaves none behind; those of a killed Snakemake are cancelled by the next."""
    snakemake = begun.submit("--", MODEL)
    (trainer,) = begun.trainers()
    trainer.kill()
    wait_until(lambda: len(begun.jobs()) == 2, PATIENCE)
    begun.wait_for_state(snakemake)
    begun.interrupt(lambda: os.killpg(snakemake.pid, signal.SIGINT))
    assert snakemake.wait(timeout=PATIENCE) == 1
    assert list(begun.jobs().values()) == ["FAILED", "CANCELLED"]
    assert "stopped by SIGTERM after iteration" in begun.log()

    snakemake = begun.submit("--", MODEL)
    (left,) = begun.living()
    begun.interrupt(lambda: (os.killpg(snakemake.pid, signal.SIGKILL), begun.start("--", MODEL)))
    assert begun.started[-1].wait(timeout=PATIENCE) == 0, begun.said.read_text()
    assert f"fbnet: cancelling jobs {left} of a snakemake that has ended" in begun.said.read_text()
    assert list(begun.jobs().values()) == ["FAILED", "CANCELLED", "CANCELLED", "COMPLETED"]
    assert GOES_ON in begun.log()
    assert begun.checkpoint.read_bytes() == (reference.folder / MODEL).read_bytes()


def test_a_training_that_fails_for_a_reason_of_its_own_is_not_repeated_for_ever(begun):
    begun.change("params/studies/toy.yaml", training__learning_rate=1e30)
    result = begun.snakemake("--", MODEL, check=False)
    assert result.returncode == 1
    assert "the loss is " in begun.log()
    assert list(begun.jobs().values()) == ["FAILED", "FAILED"]


def test_a_node_that_is_lost(begun, reference):
    """Slurm puts the job back into the queue by itself, for the other node perhaps."""
    snakemake = begun.submit("--retries", "0", "--", MODEL)
    (job,) = begun.jobs()
    node = begun.kit.run("squeue", "-h", "-j", job, "-o", "%N").strip()
    begun.kit.kill_node(node)
    begun.wait_for_state(snakemake)
    begun.kit.start_node(node)
    assert snakemake.wait(timeout=PATIENCE) == 0, begun.said.read_text()
    assert list(begun.jobs()) == [job]
    assert begun.checkpoint.read_bytes() == (reference.folder / MODEL).read_bytes()


def test_a_training_on_two_nodes(begun, tmp_path):
    """Processes that Slurm starts find each other, are stopped together and go on together; they read local copies."""
    begun.change("params/studies/toy.yaml", training__batch_size=4)
    resources = ("train:gpu=0", "train:nodes=2", "train:tasks=2", "train:mpi=srun")
    resources += (f"train:scratch={tmp_path}/local",)
    snakemake = begun.submit("--retries", "0", "--set-resources", *resources, "--", MODEL)
    (job,) = begun.jobs()
    assert begun.kit.run("squeue", "-h", "-j", job, "-o", "%D").strip() == "2"
    assert len(begun.trainers()) == 2
    begun.interrupt(lambda: begun.kit.run("scancel", "--signal=TERM", job))
    begun.wait_for_log(f"asking Slurm to put job {job} back into the queue")
    assert snakemake.wait(timeout=PATIENCE) == 0, begun.said.read_text()
    assert GOES_ON in begun.log()
    assert list(begun.jobs()) == [job]
    assert len(list((tmp_path / "local").rglob("*.npy"))) == len(paths.ARRAYS)
