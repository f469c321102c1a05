"""Prepared data that disappear or shrink while a training reads them, and loader processes that die."""

import os
import re
import signal
import subprocess
import sys
from multiprocessing.queues import Queue
from pathlib import Path

import pytest
import torch

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.data.sampler import TrainingSamples
from fbnet.errors import InputError
from fbnet.training.resume import ResumeState
from fbnet.training.train import train
from tests.conftest import TRAIN, prepare_all
from tests.faults.conftest import Disk

CPU = torch.device("cpu")
RUN, BATCH = "fcn_r50_fbnet", 2
FBNET = Path(sys.executable).with_name("fbnet")
FULL = "No space left on device; see to the path, its permissions and the disk"


@pytest.fixture(autouse=True)
def _log_progress(caplog):
    caplog.set_level("INFO")


@pytest.fixture
def study(project):
    project.write_study(training__epochs=3, seeds=[0])
    study = load_study("toy")
    prepare_all(study.data)
    return study


@pytest.fixture
def at_iteration(monkeypatch):
    """Call `action` while the images of an iteration, counted from 0, are loaded; None restores plain loading."""
    load = TrainingSamples.__getitem__

    def arrange(iteration: int | None, action=None) -> None:
        def loading(samples, sample):
            if sample == iteration * BATCH:
                action()
            return load(samples, sample)

        monkeypatch.setattr(TrainingSamples, "__getitem__", load if iteration is None else loading)

    return arrange


def state_of(study) -> ResumeState:
    return ResumeState(paths.state_dir(study.name, RUN, 0), "this training", 100)


def trained(study, **options) -> bytes:
    train(study, study.run(RUN), 0, CPU, state=state_of(study), **options)
    return paths.checkpoint_file(study.name, RUN, 0).read_bytes()


def undisturbed(study) -> bytes:
    train(study, study.run(RUN), 0, CPU)
    path = paths.checkpoint_file(study.name, RUN, 0)
    content = path.read_bytes()
    path.unlink()
    return content


def array() -> Path:
    return paths.array_file(TRAIN, "images")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_array_that_is_cut_short_stops_it_and_nothing_is_lost(study, at_iteration, workers, caplog):
    expected, whole = undisturbed(study), array().read_bytes()
    # With loaders ahead of the training, the iteration it stops at is not fixed.
    at_iteration(3, lambda: cut(array()))
    with pytest.raises(InputError) as stopped:
        trained(study, workers=workers)
    message = str(stopped.value)
    assert message.startswith(f"{RUN} seed 0: stopped after iteration ")
    assert message.endswith(
        "images.npy: became shorter while it was in use; prepare data set 'synthetic' again with `fbnet prepare`"
    )
    assert "Traceback" not in message
    at_iteration(None)
    array().write_bytes(whole)
    assert trained(study) == expected
    assert f"resuming from iteration {message.split('iteration ')[1].split(':')[0]} of 6" in caplog.text


def test_an_array_that_is_deleted_is_there_to_the_end(study, at_iteration):
    expected = undisturbed(study)
    at_iteration(3, lambda: array().unlink(missing_ok=True))
    assert trained(study) == expected
    with pytest.raises(InputError, match=r"images\.npy: not there; prepare data set 'synthetic' again"):
        train(study, study.run(RUN), 0, CPU)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_loader_that_dies_stops_it_and_nothing_is_lost(study, at_iteration, number, caplog):
    expected, trainer = undisturbed(study), os.getpid()

    def die() -> None:
        assert os.getpid() != trainer
        os.kill(os.getpid(), number)

    at_iteration(4, die)
    with pytest.raises(InputError, match=rf"^{RUN} seed 0: stopped after iteration \d: DataLoader worker .* exited"):
        trained(study, workers=2)
    at_iteration(None)
    assert trained(study) == expected
    assert "resuming from iteration" in caplog.text


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError()])
def test_a_loader_that_dies_while_it_hands_over_a_batch_stops_it_and_nothing_is_lost(study, monkeypatch, caplog, error):
    expected, receive, received, trainer = undisturbed(study), Queue.get, [], os.getpid()

    def get(queue, *arguments, **options):
        """What unpickling a tensor raises if its sender is gone; when a real one dies, only chance makes it so."""
        received.append(receive(queue, *arguments, **options))
        if len(received) == 3 and os.getpid() == trainer:
            raise error
        return received[-1]

    told = rf"^{RUN} seed 0: stopped after iteration \d: DataLoader worker exited"
    with monkeypatch.context() as patched:
        patched.setattr(Queue, "get", get)
        with pytest.raises(InputError, match=told):
            trained(study, workers=2)
    assert trained(study) == expected
    assert "resuming from iteration" in caplog.text


SIGNALLED = f"""
import os, signal, torch
from fbnet import paths
from fbnet.data.sampler import TrainingSamples
from fbnet.config.load import load_study
from fbnet.training.resume import ResumeState
from fbnet.training.train import train

load = TrainingSamples.__getitem__

def loading(samples, sample):
    if sample == 0:  # which the training waits for
        os.killpg(0, signal.SIGTERM)
    return load(samples, sample)

TrainingSamples.__getitem__ = loading
torch.set_num_threads({{threads}})
study = load_study("toy")
state = ResumeState(paths.state_dir("toy", "{RUN}", 0), "this training", 100)
train(study, study.run("{RUN}"), 0, torch.device("cpu"), workers=2, state=state)
"""


@pytest.mark.slow
def test_a_signal_to_all_processes_stops_after_a_whole_iteration(study, caplog):
    """Slurm and terminals signal the loaders as well."""
    expected = undisturbed(study)
    script = SIGNALLED.format(threads=torch.get_num_threads())
    stopped = subprocess.run([sys.executable, "-c", script], start_new_session=True, capture_output=True, timeout=60)
    assert stopped.returncode == 128 + signal.SIGTERM
    assert b"Traceback" not in stopped.stderr
    assert trained(study) == expected
    assert "resuming from iteration" in caplog.text


def test_a_disk_too_small_for_prepared_arrays_is_said_before_they_are_filled(project):
    """Writing to a mapped file without room on the disk would kill the process."""
    scenes = {"height": 256, "width": 512, "images": {"train": 4, "val": 2}, "seed": 0}
    project.write_study(data__cityscapes__synthetic=scenes)
    data = load_study("toy").data
    prepare_all(data)
    files = data.prepared_files("train")
    before = files[1].read_bytes()
    # Room for the scenes, which are drawn again beside the existing ones, for the images and for half of the labels.
    drawn = [path.stat().st_size for path in paths.DATA.glob("raw/*/train/**/*") if path.is_file()]
    room = sum(-(-size // 4096) * 4096 for size in drawn) + len(before) + len(before) // 6
    disk = Disk(paths.DATA)
    disk.mount()
    try:
        disk.fill(room)
        result = subprocess.run(
            [FBNET, "prepare", "--study", "toy", "--split", "train"], capture_output=True, text=True, check=False
        )
        assert files[1].read_bytes() == before
        assert not list(paths.DATA.rglob("*.part"))
    finally:
        subprocess.run(["umount", "-l", paths.DATA], check=True)
    assert result.returncode == 2, result.stderr
    folder = re.escape(str(files[0].parent))
    assert re.fullmatch(rf"fbnet: {folder}\.\w{{8}}\.part/labels\.npy: {FULL}", result.stderr.splitlines()[-1])
