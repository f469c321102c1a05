"""Jobs of Slurm, as far as they can be tested without it; `tests/cluster` has a cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fbnet.runtime import slurm

REQUEUE = """
import logging
from fbnet.runtime import slurm

logging.basicConfig(level=logging.INFO)
slurm.requeue()
"""


def install(folder: Path, **scripts: str) -> str:
    """Write stand-ins for programs; returns a PATH that finds them first."""
    for program, script in scripts.items():
        (folder / program).write_text(f"#!/bin/sh\n{script}\n")
        (folder / program).chmod(0o755)
    return f"{folder}:/bin"


def test_nothing_happens_without_slurm(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    slurm.cancel_jobs(tmp_path)
    slurm.requeue()
    assert caplog.messages == []


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch, caplog):
    silent = "echo 'Unable to contact slurm controller' >&2; exit 1"
    monkeypatch.setenv("PATH", install(tmp_path, squeue=silent))
    slurm.cancel_jobs(tmp_path)
    assert caplog.messages == ["squeue: Unable to contact slurm controller"]


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({"SLURM_JOB_ID": "7"}, "7"),
        # The last job of an array has the number of the array.
        ({"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "7_2"),
    ],
)
def test_a_job_requeues_itself_alone(tmp_path, monkeypatch, variables, job):
    called = tmp_path / "called"
    scripts = {"squeue": f"[ $3 = {job} ] && echo RUNNING", "scontrol": f'echo "$@" > {called}'}
    monkeypatch.setenv("PATH", install(tmp_path, **scripts))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    slurm.requeue()
    assert called.read_text() == f"requeue {job}\n"


def test_the_log_tells_of_a_requeue_that_ends_the_process(tmp_path):
    path = install(tmp_path, squeue="echo RUNNING", scontrol="kill -TERM $PPID")
    process = subprocess.run(
        [sys.executable, "-c", REQUEUE],
        env=os.environ | {"PATH": path, "SLURM_JOB_ID": "7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == -15
    assert "asking Slurm to put job 7 back into the queue" in process.stderr
