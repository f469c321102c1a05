"""Signals that reach a process reach its children."""

import signal
import subprocess
import sys

import pytest

CHILD = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
print("ready", flush=True)
print(signal.sigwait({signal.SIGTERM, signal.SIGUSR1}).name, flush=True)
"""
JOB = """
import signal, subprocess, sys
from fbnet.runtime.stop_signals import forward_from_job
forward_from_job()
signal.signal(signal.SIGTERM, lambda number, frame: None)  # as Snakemake does later
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
child.wait()
print("child ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_job_forwards_them_whoever_handles_them_later(number):
    with subprocess.Popen([sys.executable, "-c", JOB, CHILD], stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout.readline() == "ready\n"
        job.send_signal(number)
        assert job.communicate(timeout=60)[0] == f"{number.name}\nchild ended\n"
    assert job.returncode == 0
