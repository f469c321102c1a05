"""A Slurm cluster of two nodes on this host, as root, without systemd, accounting or DNS.

`python -m tests.cluster.kit start FOLDER` prints the variables that its users need; `stop FOLDER` ends it. Each node
has two cores, and says that it has 64 GB and two GPUs. Jobs are confined by cgroups of version 1 where these can be
written, as on most clusters: a stop signal then reaches the first process of a job step only.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGKILL

import psutil

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scontrol")
FREEZER = Path("/sys/fs/cgroup/freezer")

SETTINGS = {
    "ClusterName": "kit",
    "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
    "SlurmUser": "root",
    "SlurmdUser": "root",
    "AuthType": "auth/munge",
    "CryptoType": "crypto/munge",
    "JobAcctGatherType": "jobacct_gather/none",
    "AccountingStorageType": "accounting_storage/none",
    "JobCompType": "jobcomp/none",
    "MinJobAge": 300,  # how long squeue, the only one to ask without accounting, knows ended jobs
    "MailProg": "/bin/true",
    "MpiDefault": "none",
    "SwitchType": "switch/none",
    "SelectType": "select/cons_tres",
    "SelectTypeParameters": "CR_Core_Memory",
    "DefMemPerCPU": 1000,
    "GresTypes": "gpu",
    "SchedulerType": "sched/backfill",
    "SchedulerParameters": "bf_interval=1,sched_min_interval=0,batch_sched_delay=0",
    "SlurmdTimeout": 10,
    "KillWait": 30,
    "ReturnToService": 2,
    "JobRequeue": 1,
    "PropagateResourceLimits": "NONE",
    "SlurmdParameters": "config_overrides",  # more memory than there is
}
CONFINED = {"ProctrackType": "proctrack/cgroup", "TaskPlugin": "task/cgroup,task/affinity"}
UNCONFINED = {"ProctrackType": "proctrack/linuxproc", "TaskPlugin": "task/none"}
CGROUPS = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainCores=yes
ConstrainRAMSpace=yes
"""


class Kit:
    """The daemons of a cluster, and the files that they share, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Names of this cluster alone, as cgroups and processes are found by them.
        self.nodes = tuple(f"k{zlib.crc32(bytes(folder)):08x}n{number}" for number in (1, 2))

    @property
    def environment(self) -> dict[str, str]:
        """Variables for users of the cluster."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        """Start all daemons and wait until both nodes are idle."""
        self._write_files()
        munge = self.folder / "munge"
        files = {
            "socket": "socket",
            "key-file": "key",
            "pid-file": "../munge.pid",
            "log-file": "log",
            "seed-file": "seed",
        }
        self.run("munged", "--num-threads", "2", *(f"--{option}={munge / file}" for option, file in files.items()))
        wait_until((munge / "socket").exists)
        self.run("slurmctld", "-i")
        wait_until((self.folder / "slurmctld.pid").exists)
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: self.run("sinfo", "-h", "-t", "idle", "-o", "%D", check=False).strip() == "2")

    def start_node(self, node: str) -> None:
        """Start the daemon of one node."""
        self.run("slurmd", "-N", node)

    def kill_node(self, node: str) -> None:
        """Let a node fail: its daemon and everything that it started are killed, those first that would report it."""
        os.kill(self._pid(f"slurmd.{node}"), SIGKILL)
        started = [process for process in psutil.process_iter() if _variables(process).get("SLURMD_NODENAME") == node]
        reporters = {parent for process in started for parent in process.parents() if parent.name() == "slurmstepd"}
        for process in (*reporters, *started):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def stop(self) -> None:
        """Cancel all jobs and end all daemons."""
        if jobs := self.run("squeue", "-h", "-o", "%A", check=False).split():
            self.run("scancel", *jobs, check=False)
            with suppress(TimeoutError):
                wait_until(lambda: not self.run("squeue", "-h", check=False))
        for name in (*(f"slurmd.{node}" for node in self.nodes), "slurmctld", "munge"):
            self._end(name)
        for node in self.nodes:  # slurmd leaves its cgroups behind
            for group in Path("/sys/fs/cgroup").glob(f"*/slurm_{node}"):
                subprocess.run(["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"], check=False)

    def run(self, *command: str, check: bool = True) -> str:
        """Output of a command of this cluster; empty if it fails and that is not checked."""
        # Daemons inherit what they do not close, and a pipe would wait for their end.
        output = self.folder / "output"
        with output.open("w") as file:
            process = subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, check=False, env=os.environ | self.environment
            )
        text = output.read_text()
        if process.returncode == 0:
            return text
        if check:
            raise RuntimeError(f"{' '.join(command)}: {text}")
        return ""

    def _end(self, name: str) -> None:
        """End the daemon of a pid file by SIGTERM, and by SIGKILL after ten seconds."""
        with suppress(OSError, ValueError, psutil.NoSuchProcess):  # it never came up, or ended
            daemon = psutil.Process(self._pid(name))
            daemon.terminate()
            with suppress(TimeoutError):  # an ended one may wait seconds for init to fetch it
                wait_until(lambda: daemon.status() == psutil.STATUS_ZOMBIE, 10)
            daemon.kill()

    def _pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())

    def _write_files(self) -> None:
        for name in ("bin", "munge", "state", *(f"spool.{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "munge").chmod(0o755)  # munged refuses folders that others may write to
        with os.fdopen(os.open(self.folder / "munge/key", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as key:
            key.write(os.urandom(1024))
        (self.folder / "cgroup.conf").write_text(CGROUPS)
        (self.folder / "gres.conf").write_text(
            f"NodeName={','.join(self.nodes)} Name=gpu File={self.folder}/gpu[0-1] Flags=nvidia_gpu_env\n"
        )
        for number, device in enumerate(("null", "zero")):  # Slurm counts GPUs that are device files
            link = self.folder / f"gpu{number}"
            link.unlink(missing_ok=True)
            link.symlink_to(f"/dev/{device}")
        # Snakemake's job step takes variables of Slurm away from the srun that it calls.
        srun = self.folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        (self.folder / "slurm.conf").write_text(self._configuration())

    def _configuration(self) -> str:
        host, ports = socket.gethostname().partition(".")[0], _free_ports(1 + len(self.nodes))
        settings = (
            SETTINGS
            | (CONFINED if can_confine() else UNCONFINED)
            | {
                "SlurmctldHost": f"{host}(127.0.0.1)",
                "SlurmctldPort": ports[0],
                # A job waits for its credential to expire before it is started again.
                "AuthInfo": f"socket={self.folder}/munge/socket,cred_expire=5",
                "StateSaveLocation": self.folder / "state",
                "SlurmdSpoolDir": self.folder / "spool.%n",
                "SlurmctldPidFile": self.folder / "slurmctld.pid",
                "SlurmdPidFile": self.folder / "slurmd.%n.pid",
                "SlurmctldLogFile": self.folder / "slurmctld.log",
                "SlurmdLogFile": self.folder / "slurmd.%n.log",
            }
        )
        lines = [f"{key}={value}" for key, value in settings.items()]
        size = "Sockets=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=64000 Gres=gpu:2"
        lines += [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} {size}"
            for node, port in zip(self.nodes, ports[1:], strict=True)
        ]
        lines.append(f"PartitionName=gpu Nodes={','.join(self.nodes)} Default=YES DefaultTime=10 State=UP")
        return "\n".join(lines) + "\n"


def missing() -> str | None:
    """Say why no cluster can be started here; None if one can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (Debian's packages slurm-wlm and munge)"
    return None if os.getuid() == 0 else "the daemons of several users' jobs need root"


def can_confine() -> bool:
    """Tell whether cgroups of version 1 can be made here."""
    group = FREEZER / f"try.{os.getpid()}"
    try:
        group.mkdir()
        group.rmdir()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)


def _variables(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for entry in sockets:
            entry.bind(("127.0.0.1", 0))
        return [entry.getsockname()[1] for entry in sockets]


if __name__ == "__main__":
    action, kit = sys.argv[1], Kit(Path(sys.argv[2]).absolute())
    if action == "start":
        kit.start()
        print("\n".join(f"export {name}={value}" for name, value in kit.environment.items()))
    else:
        kit.stop()
