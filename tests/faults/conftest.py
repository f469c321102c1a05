"""A throw-away clone whose study takes seconds to train, and the means to disturb it."""

import csv
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from tests.conftest import TOY
from tests.workflow.conftest import Clone, make_clone

RUN, OTHER = "fcn_r50_fbnet", "fcn_r50"
STUDY = TOY | {
    "training": TOY["training"] | {"epochs": 15},
    "seeds": [0],
    "runs": [OTHER, RUN],
    "tables": ["table_1"],
    "figures": [],
}
KILLED = "fbnet: an earlier snakemake was killed here; its locks are removed"


def _heed_signals() -> None:
    """Restore default signal handling: a shell in the background hands ignored signals on."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Disturbed(Clone):
    """A clone that is disturbed while snakemake is at work in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.started: list[subprocess.Popen] = []

    @property
    def state(self) -> Path:
        return self.folder / "work/states/toy" / RUN / "seed0"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "results/toy/runs" / RUN / "seed0/model.pt"

    def log(self, job: str = f"train/{RUN}_seed0") -> str:
        return (self.folder / f"logs/toy/{job}.log").read_text()

    def start(self, *arguments: str) -> subprocess.Popen:
        """Starts snakemake in a process group of its own, as a shell does; what it says goes to snakemake.txt."""
        with self.said.open("w") as said:
            process = subprocess.Popen(
                [*self.command, *arguments],
                cwd=self.folder,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=self.variables,
                start_new_session=True,
                preexec_fn=_heed_signals,
            )
        self.started.append(process)
        return process

    @property
    def said(self) -> Path:
        return self.folder.parent / "snakemake.txt"

    def start_training(self, *arguments: str) -> tuple[subprocess.Popen, psutil.Process]:
        """Starts snakemake and waits until a training has kept its state: both processes."""
        process = self.start(*arguments)
        wait_until(lambda: (self.state / "state.pt").exists() or process.poll() is not None)
        assert process.poll() is None, self.said.read_text()
        return process, next(
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if {"train", RUN} <= set(child.cmdline())
        )

    def results(self) -> dict[str, object]:
        """Content of every result file, times left out."""
        found = {}
        for path in sorted((self.folder / "results/toy").rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.name == "history.csv":
                with path.open() as file:
                    found[name] = [row | {"seconds": ""} for row in csv.DictReader(file)]
            elif path.is_file() and "provenance" not in name:
                found[name] = path.read_bytes()
        return found

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Inode and time of each file of data and results."""
        found = {}
        for folder in ("data", "results"):
            for path in (self.folder / folder).rglob("*"):
                if path.is_file():
                    found[path.relative_to(self.folder).as_posix()] = (path.stat().st_ino, path.stat().st_mtime_ns)
        return found

    def end(self) -> None:
        """Ends what the test left behind."""
        for process in self.started:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()


def make_disturbed(folder: Path, study: dict) -> Disturbed:
    """A project with nothing made, whose trainings keep their state every iteration."""
    make_clone(folder)
    clone = Disturbed(folder)
    (folder / "params/studies/toy.yaml").write_text(yaml.safe_dump(study))
    clone.edit("workflow/rules/train.smk", "{params.command} train", "{params.command} train --keep-every 0")
    clone.commit("Study")
    return clone


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def forget(clone: Disturbed, *jobs: tuple[str, str]) -> None:
    """Takes away what jobs left behind, such as ("train", RUN), and the table that is made from it."""
    files = {"train": ("model.pt", "history.csv"), "evaluate": ("metrics.json", "samples.npz")}
    results = clone.folder / "results/toy"
    for kind, run in jobs:
        for name in files[kind]:
            (results / "runs" / run / "seed0" / name).unlink()
        (results / "provenance" / kind / run / "seed0.json").unlink()
    for folder in ("tables", "metrics", "provenance/table"):
        shutil.rmtree(results / folder, ignore_errors=True)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Disturbed:
    """A project whose study was made without a fault; tests take copies."""
    clone = make_disturbed(tmp_path_factory.mktemp("undisturbed") / "project", STUDY)
    clone.snakemake()
    clone.commit("Results")
    return clone


@pytest.fixture
def made(undisturbed, tmp_path) -> Iterator[Disturbed]:
    """Everything that is there after the study was made."""
    shutil.copytree(undisturbed.folder, tmp_path / "project", symlinks=True)
    clone = Disturbed(tmp_path / "project")
    yield clone
    clone.end()


class Disk:
    """A file system in memory, mounted on a folder that keeps what it holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mount(self, size: str = "8m") -> None:
        content = self.folder.with_name("content")
        self.folder.rename(content)
        self.folder.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={size}", "none")
        shutil.copytree(content, self.folder, dirs_exist_ok=True)

    def change(self, options: str) -> None:
        """Mounts it again, read-only or larger perhaps."""
        self._mount("-o", f"remount,{options}")

    def fill(self, room: int) -> None:
        """Leaves so many bytes."""
        with (self.folder / "filler").open("wb", buffering=0) as file:
            with suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            file.truncate(file.tell() - room)

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments, self.folder], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"needs to mount a file system: {done.stderr.strip()}")


@pytest.fixture
def disk(made) -> Iterator[Disk]:
    """The disk that the results are on."""
    disk = Disk(made.folder / "results")
    disk.mount()
    yield disk
    subprocess.run(["umount", "-l", disk.folder], check=True)


@pytest.fixture
def begun(made) -> Disturbed:
    """State before the training of the second run."""
    forget(made, ("train", RUN), ("evaluate", RUN))
    return made
