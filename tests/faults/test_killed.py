"""Processes that are killed or asked to stop while the workflow is at work: the same command makes what is missing."""

import os
import signal
import subprocess

import psutil
import pytest

from tests.faults.conftest import KILLED, OTHER, RUN, forget

pytestmark = pytest.mark.workflow
GOES_ON = f"{RUN} seed 0: resuming from iteration"


def finish(clone, undisturbed, finished: dict) -> subprocess.CompletedProcess:
    """Repeat the command: finished results stay, the others equal those of an undisturbed run."""
    result = clone.snakemake()
    assert finished.items() <= clone.stamps().items()
    assert clone.results() == undisturbed.results()
    assert not clone.state.exists()
    assert clone.planned() == set()
    return result


@pytest.mark.slow
def test_trainer_is_killed(begun, undisturbed):
    forget(begun, ("evaluate", OTHER))
    finished = begun.stamps()
    snakemake, trainer = begun.start_training()
    trainer.kill()
    assert snakemake.wait() == 1
    assert "died with <Signals.SIGKILL: 9>" in begun.said.read_text()
    assert not begun.checkpoint.exists()
    assert (begun.folder / "results/toy/runs" / OTHER / "seed0/metrics.json").exists()  # the other jobs went on

    result = finish(begun, undisturbed, finished)
    assert KILLED not in result.stderr
    assert GOES_ON in begun.log()
    assert "4 of 4 steps" in result.stderr


@pytest.mark.slow
def test_snakemake_is_killed(begun, undisturbed):
    finished = begun.stamps()
    snakemake, trainer = begun.start_training()
    snakemake.kill()
    snakemake.wait()
    assert list((begun.folder / ".snakemake/locks").iterdir())
    assert psutil.wait_procs([trainer], timeout=30)[1] == []
    assert f"{RUN} seed 0: stopped by SIGTERM after iteration" in begun.log()
    assert not begun.checkpoint.exists()

    result = finish(begun, undisturbed, finished)
    assert KILLED in result.stderr
    assert GOES_ON in begun.log()


@pytest.mark.slow
def test_snakemake_is_killed_and_its_trainer_lives_on(begun, undisturbed):
    """Without `setpriv` nothing ends the trainer; here it sleeps until the next Snakemake is done."""
    begun.edit("fbnet/workflow.py", 'shutil.which("setpriv")', 'shutil.which("no such command")')
    finished = begun.stamps()
    snakemake, trainer = begun.start_training()
    trainer.suspend()
    snakemake.kill()
    snakemake.wait()

    result = finish(begun, undisturbed, finished)
    assert KILLED in result.stderr
    assert GOES_ON in begun.log()
    made = begun.stamps()
    trainer.resume()
    assert psutil.wait_procs([trainer], timeout=60)[1] == []
    assert begun.stamps() == made
    assert not begun.state.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_everything_is_killed(begun, undisturbed, number):
    """Out-of-memory killer of a batch system, power failure, or closed terminal."""
    finished = begun.stamps()
    snakemake, trainer = begun.start_training()
    os.killpg(snakemake.pid, number)
    assert snakemake.wait() == -number
    assert psutil.wait_procs([trainer], timeout=30)[1] == []
    assert not begun.checkpoint.exists()

    result = finish(begun, undisturbed, finished)
    assert KILLED in result.stderr
    assert GOES_ON in begun.log()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_everything_is_asked_to_stop(begun, undisturbed, number):
    """SIGINT is Ctrl-C; SIGTERM is what Slurm sends before a time limit."""
    finished = begun.stamps()
    snakemake, _ = begun.start_training()
    os.killpg(snakemake.pid, number)
    assert snakemake.wait() == 1
    assert f"{RUN} seed 0: stopped by {number.name} after iteration" in begun.log()
    assert not begun.checkpoint.exists()

    result = finish(begun, undisturbed, finished)
    assert KILLED not in result.stderr
    assert GOES_ON in begun.log()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_snakemake_in_a_cluster_job_is_asked_to_stop(begun, undisturbed, number):
    """Where jobs are confined by cgroups, a scheduler signals this process alone; it hands the signal on."""
    finished = begun.stamps()
    job = ("--target-jobs", f"train:run={RUN},seed=0", "--allowed-rules", "train")
    snakemake, trainer = begun.start_training("--mode", "remote", "--nolock", "--force", *job)
    snakemake.send_signal(number)
    assert snakemake.wait() == 1
    assert f"{RUN} seed 0: stopped by {number.name} after iteration" in begun.log()
    assert not trainer.is_running()

    finish(begun, undisturbed, finished)
    assert GOES_ON in begun.log()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_snakemake_alone_is_asked_to_stop(begun, undisturbed, number):
    """It lets its jobs end, and starts no more."""
    snakemake, _ = begun.start_training()
    snakemake.send_signal(number)
    assert snakemake.wait() == 1
    assert begun.checkpoint.exists()
    finished = begun.stamps()

    result = finish(begun, undisturbed, finished)
    assert KILLED not in result.stderr
    assert "3 of 3 steps" in result.stderr
