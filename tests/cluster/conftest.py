"""A project whose jobs run on a Slurm cluster that the tests bring up and down themselves."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from tests.cluster.kit import Kit, missing, wait_until
from tests.conftest import TOY
from tests.faults.conftest import OTHER, RUN, Disturbed, make_disturbed

PLUGIN = find_spec("snakemake_executor_plugin_slurm")
STUDY = TOY | {
    "training": TOY["training"] | {"epochs": 30},
    "seeds": [0],
    "runs": [OTHER, RUN],
    "tables": ["table_1"],
    "figures": [],
}
PATIENCE = 180  # seconds
MODEL, METRICS = (f"results/toy/runs/{RUN}/seed0/{name}" for name in ("model.pt", "metrics.json"))
ENDED = {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}


class OnCluster(Disturbed):
    """A clone whose Snakemake submits to a cluster by the shipped profile."""

    command = (
        *("snakemake", "--workflow-profile", "profiles/slurm", "--config", "study=toy"),
        *("--set-threads", "train=1", "evaluate=1", "--slurm-init-seconds-before-status-checks", "1"),
    )

    def __init__(self, folder: Path, kit: Kit) -> None:
        super().__init__(folder)
        self.kit = kit

    @property
    def variables(self) -> dict[str, str]:
        variables = super().variables
        path = f"{self.kit.folder / 'bin'}{os.pathsep}{variables['PATH']}"
        code = f"{self.folder}{os.pathsep}{Path(PLUGIN.origin).parents[1]}"
        return variables | self.kit.environment | {"PATH": path, "PYTHONPATH": code}

    def jobs(self, kind: str = "rule_train") -> dict[str, str]:
        """State of each job of a rule that Slurm knows of, by its number."""
        rows = [line.split("|") for line in self.kit.run("squeue", "-h", "-t", "all", "-o", "%A|%T|%Z|%k").splitlines()]
        ours = [(int(job), state) for job, state, at, name in rows if at == str(self.folder) and name.startswith(kind)]
        return {str(job): state for job, state in sorted(ours)}

    def living(self) -> set[str]:
        """Jobs that have not ended."""
        return {job for job, state in self.jobs("").items() if state not in ENDED}

    def submit(self, *arguments: str, until_trained: bool = True) -> subprocess.Popen:
        """Start Snakemake, and wait until the training has saved its state."""
        process = self.start(*arguments)
        if until_trained:
            self.wait_for_state(process)
        return process

    def wait_for_state(self, process: subprocess.Popen) -> None:
        """Wait until a training, on its way in this job, has saved its state."""
        begun = self.saved()
        wait_until(lambda: self.saved() != begun or process.poll() is not None, PATIENCE)
        assert process.poll() is None, self.said.read_text()

    def trainers(self) -> list[psutil.Process]:
        """Processes of `fbnet train` in this folder."""
        return [
            process
            for process in psutil.process_iter(["cmdline", "cwd"])
            if process.info["cwd"] == str(self.folder) and "train" in (process.info["cmdline"] or [])[2:3]
        ]

    def interrupt(self, action: Callable[[], object]) -> None:
        """Do something that sends SIGTERM to the trainers; they stand still until it has arrived."""
        trainers = self.trainers()
        for trainer in trainers:
            trainer.suspend()
        action()
        wait_until(lambda: all(map(_is_interrupted, trainers)), PATIENCE)
        for trainer in trainers:
            with suppress(psutil.NoSuchProcess):
                trainer.resume()

    def wait_for_log(self, text: str) -> None:
        """Wait until the training's log has a text. Raises AssertionError with what it has instead."""
        log = self.folder / f"logs/toy/train/{RUN}_seed0.log"
        with suppress(TimeoutError):
            wait_until(lambda: log.exists() and text in log.read_text(), PATIENCE)
        assert text in self.log()

    def saved(self) -> int | None:
        """Time of the saved state; None without one."""
        state = self.state / "state.pt"
        return state.stat().st_mtime_ns if state.exists() else None


def _is_interrupted(process: psutil.Process) -> bool:
    """Tell whether SIGTERM waits for a stopped process, or something continued or ended it."""
    try:
        if process.status() != psutil.STATUS_STOPPED:
            return True
        status = Path(f"/proc/{process.pid}/status").read_text()
    except (psutil.NoSuchProcess, OSError):
        return True
    pending = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask >> (signal.SIGTERM - 1) & 1 for mask in pending)


@pytest.fixture(scope="session")
def kit() -> Iterator[Kit]:
    """A cluster of two nodes."""
    reason = "snakemake-executor-plugin-slurm is not installed (the extra `slurm`)" if PLUGIN is None else missing()
    if reason is not None:
        pytest.skip(reason)
    with TemporaryDirectory(prefix="fbnet-slurm-") as folder:  # pytest's folders are closed to munge
        kit = Kit(Path(folder))
        kit.folder.chmod(0o755)
        try:
            kit.start()
            yield kit
        finally:
            kit.stop()


@pytest.fixture(scope="session")
def reference(tmp_path_factory) -> Disturbed:
    """A run of the study, made on this machine without a cluster."""
    clone = make_disturbed(tmp_path_factory.mktemp("reference") / "project", STUDY)
    clone.snakemake("--", METRICS)
    return clone


@pytest.fixture
def begun(kit, reference, tmp_path) -> Iterator[OnCluster]:
    """The project with its data, before the training."""
    shutil.copytree(reference.folder, tmp_path / "project", symlinks=True)
    clone = OnCluster(tmp_path / "project", kit)
    for folder in ("results/toy", "logs"):
        shutil.rmtree(clone.folder / folder)
    yield clone
    clone.end()
    if jobs := clone.living():
        kit.run("scancel", *jobs)
        wait_until(lambda: not clone.living())
