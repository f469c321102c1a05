"""Jobs of Slurm, as far as they can be tested without it; `tests/cluster` has a cluster."""

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
