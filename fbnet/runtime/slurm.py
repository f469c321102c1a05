"""Jobs of Slurm that Snakemake left behind, and the one that this process runs in. Imports no torch."""

import logging
import os
import shutil
import subprocess
import time
from pathlib import Path

from fbnet.errors import InputError

logger = logging.getLogger(__name__)

COMMENTS = ("rule_", "group_")  # Snakemake's executor begins its jobs' comments with these
TIMEOUT = 60  # seconds that a command of Slurm may take
PATIENCE = 600  # seconds that cancelled jobs may take to end: KillWait of the cluster, and more
POLL = 1.0  # seconds


def cancel_jobs(folder: Path) -> None:
    """Cancel the jobs that a Snakemake submitted from a folder, and wait until they have ended.

    To be called where that Snakemake is known to have ended. Its trainings save their state as they end. Without Slurm
    there is nothing to do.

    Raises:
        InputError: if jobs do not end.
    """
    jobs = _jobs(folder)
    if not jobs:
        return
    logger.warning(f"cancelling jobs {', '.join(jobs)} of a snakemake that has ended; their trainings save their state")
    deadline = time.monotonic() + PATIENCE
    _ask("scancel", *jobs)
    while jobs := _jobs(folder):
        if time.monotonic() > deadline:
            raise InputError(f"jobs {', '.join(jobs)}: cancelled, but still running; wait, and see to their nodes")
        time.sleep(POLL)


def requeue() -> None:
    """Ask Slurm to run the job that this process belongs to again, unless it was cancelled or is no job.

    The job keeps its number, so that Snakemake goes on waiting for it.
    """
    job = _own_job()
    if job is None or _ask("squeue", "-h", "-j", job, "-o", "%T") != "RUNNING":
        return
    # Said before: Slurm may end this process while it asks.
    logger.info(f"asking Slurm to put job {job} back into the queue")
    _ask("scontrol", "requeue", job)


def _own_job() -> str | None:
    """Name of the job that this process belongs to; None if it is no job.

    The number of one job of an array may be that of the whole array as well.
    """
    array, task = (os.environ.get(f"SLURM_ARRAY_{part}_ID") for part in ("JOB", "TASK"))
    return os.environ.get("SLURM_JOB_ID") if task is None else f"{array}_{task}"


def _jobs(folder: Path) -> list[str]:
    """Numbers of this user's jobs that a Snakemake submitted from a folder, in the queue, running or about to end."""
    rows = (line.split("|") for line in (_ask("squeue", "-h", "--me", "-o", "%A|%Z|%k") or "").splitlines())
    return sorted({row[0] for row in rows if len(row) > 2 and row[1] == str(folder) and row[2].startswith(COMMENTS)})


def _ask(*command: str) -> str | None:
    """Output of a command of Slurm; None with a warning if it fails, and without one if there is no Slurm."""
    if shutil.which(command[0]) is None:
        return None
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().rpartition("\n")[2]
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        return result.stdout.strip()
    logger.warning(f"{command[0]}: {reason}")
    return None
