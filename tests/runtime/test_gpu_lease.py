"""Leases of GPUs, with pretended devices and real processes."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from fbnet.runtime import gpu_lease
from fbnet.runtime.gpu_lease import VISIBLE, acquire, lease_gpus
from tests.cluster.kit import wait_until

DEVICES = ["0", "1", "2", "3"]
JOB = """
import json, sys, time
from contextlib import ExitStack
from pathlib import Path
from fbnet.runtime import gpu_lease
gpu_lease.POLL = 0.02
folder, log, count, seconds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
with ExitStack() as leases:
    devices = gpu_lease.acquire(["0", "1", "2", "3"], count, folder, leases)
    begun = time.monotonic()
    print("leased", flush=True)
    time.sleep(seconds)
    log.write_text(json.dumps([devices, begun, time.monotonic()]))
"""


def start(folder, log, count=1, seconds=0.5):
    """A job that leases GPUs for some seconds and writes down which and when."""
    command = [sys.executable, "-c", JOB, str(folder), str(log), str(count), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_ten_jobs_of_two_workflows_share_four_devices(tmp_path):
    workflows = [tmp_path / "one", tmp_path / "other"]
    for workflow in workflows:
        workflow.mkdir()
    logs = [workflows[index % 2] / f"{index}.json" for index in range(10)]
    jobs = [start(tmp_path / "locks", log, count=2 if index == 5 else 1) for index, log in enumerate(logs)]
    assert [job.wait() for job in jobs] == [0] * 10
    held = [json.loads(log.read_text()) for log in logs]
    for index, (devices, begun, ended) in enumerate(held):
        assert len(set(devices)) == len(devices) == (2 if index == 5 else 1)
        for other, start_of_other, end_of_other in held[:index]:
            assert not set(devices) & set(other) or ended <= start_of_other or end_of_other <= begun
    assert {name for devices, _, _ in held for name in devices} == set(DEVICES)


def test_the_lease_of_a_killed_job_ends(tmp_path):
    with ExitStack() as leases:
        acquire(DEVICES, 3, tmp_path / "locks", leases)
        job = start(tmp_path / "locks", tmp_path / "log", seconds=60)
        assert job.stdout.readline() == "leased\n"
        job.send_signal(signal.SIGKILL)
        job.wait()
        with ExitStack() as last:
            assert acquire(DEVICES, 1, tmp_path / "locks", last) == ["3"]


def is_waited_for(folder):
    """Tell whether a job waits for devices."""
    with (folder / "queue").open("w") as queue:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_job_of_several_is_not_passed_over(tmp_path):
    """While it waits for two, a later job of one waits behind it, though one is free."""
    with ExitStack() as leases:
        acquire(DEVICES, 3, tmp_path / "locks", leases)
        large = start(tmp_path / "locks", tmp_path / "large", count=2)
        wait_until(lambda: is_waited_for(tmp_path / "locks"))
        small = start(tmp_path / "locks", tmp_path / "small")
        assert select.select([large.stdout, small.stdout], [], [], 2) == ([], [], [])  # neither has leased any
    assert (large.wait(), small.wait()) == (0, 0)


@pytest.fixture
def leased(monkeypatch, tmp_path):
    """What a process sees after it asked for GPUs."""

    def lease(count, visible, existing=8):
        monkeypatch.setattr(gpu_lease.tempfile, "gettempdir", lambda: str(tmp_path))
        monkeypatch.delenv(VISIBLE, raising=False)
        if visible is not None:
            monkeypatch.setenv(VISIBLE, visible)
        lease_gpus(count, existing)
        return os.environ.get(VISIBLE)

    return lease


@pytest.mark.parametrize("visible", ["2", "", "GPU-8e2f", "0,1"])
def test_what_a_scheduler_chose_is_obeyed(leased, visible):
    assert leased(2 if "," in visible else 1, visible) == visible


def test_a_lease_is_among_the_visible(leased):
    assert leased(2, "4, 5,7") == "4,5"
    assert leased(1, "4,5,7") == "7"


def test_all_devices_of_the_machine(leased):
    assert leased(1, None, existing=2) == "0"
    assert leased(1, None, existing=2) == "1"


@pytest.mark.parametrize("existing", [0, 1])
def test_without_a_choice_there_is_nothing_to_lease(leased, existing):
    assert leased(1, None, existing) is None
