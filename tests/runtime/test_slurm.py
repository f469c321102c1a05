"""Jobs of Slurm, as far as they can be tested without it; `tests/cluster` has a cluster."""

import pytest

from fbnet.runtime import slurm


def test_nothing_happens_without_slurm(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    slurm.cancel_jobs(tmp_path)
    slurm.requeue()
    assert caplog.messages == []


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch, caplog):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
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
    for program, answer in (("squeue", f"[ $3 = {job} ] && echo RUNNING"), ("scontrol", f'echo "$@" > {called}')):
        (tmp_path / program).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    slurm.requeue()
    assert called.read_text() == f"requeue {job}\n"
