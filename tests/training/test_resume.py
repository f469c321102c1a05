"""An interrupted training resumes where it stopped, and its result equals that of an uninterrupted one."""

import csv
import hashlib
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.config.study import Study
from fbnet.data.sampler import TrainingSamples
from fbnet.errors import InputError
from fbnet.runtime.stop_signals import Interrupted
from fbnet.training.resume import ResumeState
from fbnet.training.train import train
from tests.conftest import EVERYTHING, prepare_all

CPU = torch.device("cpu")
RUN = "fcn_r50_fbnet"
BATCH, ITERATIONS = 2, 6
FBNET = Path(sys.executable).with_name("fbnet")


@pytest.fixture(autouse=True)
def _log_progress(caplog):
    caplog.set_level("INFO")


@pytest.fixture
def study(project) -> Study:
    project.write_study(training__epochs=3, seeds=[0])
    study = load_study("toy")
    prepare_all(study.data)
    return study


def state_of(study: Study, fingerprint: str = "this training", every: float = 0) -> ResumeState:
    return ResumeState(paths.state_dir(study.name, RUN, 0), fingerprint, every)


def results(study: Study) -> tuple[bytes, list[dict]]:
    """Checkpoint and history without its times."""
    with paths.history_file(study.name, RUN, 0).open() as file:
        history = [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
    return paths.checkpoint_file(study.name, RUN, 0).read_bytes(), history


@pytest.fixture
def undisturbed(study) -> tuple[bytes, list[dict]]:
    train(study, study.run(RUN), 0, CPU)
    kept = results(study)
    for path in (paths.checkpoint_file(study.name, RUN, 0), paths.history_file(study.name, RUN, 0)):
        path.unlink()
    return kept


@pytest.fixture
def signal_at(monkeypatch):
    """Send this process a signal while it loads the images of an iteration, counted from 0."""
    load = TrainingSamples.__getitem__

    def arrange(iteration: int | None, number: signal.Signals = signal.SIGTERM) -> None:
        def loading(samples, sample):
            if sample == iteration * BATCH:
                signal.raise_signal(number)
            return load(samples, sample)

        monkeypatch.setattr(TrainingSamples, "__getitem__", load if iteration is None else loading)

    return arrange


def interrupt(study, signal_at, iteration, number=signal.SIGTERM, **options):
    signal_at(iteration, number)
    with pytest.raises(Interrupted) as stopped:
        train(study, study.run(RUN), 0, CPU, state=state_of(study), **options)
    signal_at(None)
    assert stopped.value.code == 128 + number


class TestInterrupted:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
    def test_goes_on_where_a_signal_stopped_it(self, study, undisturbed, signal_at, number, caplog):
        interrupt(study, signal_at, 3, number)
        assert not paths.checkpoint_file(study.name, RUN, 0).exists()
        train(study, study.run(RUN), 0, CPU, state=state_of(study))
        assert results(study) == undisturbed
        said = caplog.text
        assert f"stopped by {number.name} after iteration 4 of 6; run the same command to resume" in said
        assert "resuming from iteration 4 of 6" in said

    def test_random_numbers_go_on_as_well(self, project, signal_at):
        """After resuming, dropout and colours draw what an uninterrupted training draws."""
        dropped = "deeplabv3plus_wrn38_mapillary"
        project.write_study(**EVERYTHING, training__epochs=2, training__photometric={})
        study = load_study("toy")
        prepare_all(study.role("mapillary"))
        train(study, study.run(dropped), 0, CPU)
        path = paths.checkpoint_file(study.name, dropped, 0)
        expected = path.read_bytes()
        signal_at(1)
        with pytest.raises(Interrupted):
            train(study, study.run(dropped), 0, CPU, state=state_of(study))
        signal_at(None)
        train(study, study.run(dropped), 0, CPU, state=state_of(study))
        assert path.read_bytes() == expected

    def test_again_and_again(self, study, undisturbed, signal_at):
        for iteration in range(ITERATIONS - 1):
            interrupt(study, signal_at, iteration)
        train(study, study.run(RUN), 0, CPU, state=state_of(study))
        assert results(study) == undisturbed

    @pytest.mark.parametrize("workers", [0, 1, 2])
    def test_whatever_the_number_of_loaders(self, study, undisturbed, signal_at, workers):
        interrupt(study, signal_at, 2)
        train(study, study.run(RUN), 0, CPU, workers=workers, state=state_of(study))
        assert results(study) == undisturbed

    def test_in_the_last_iteration_it_is_done(self, study, undisturbed, signal_at):
        signal_at(ITERATIONS - 1)
        train(study, study.run(RUN), 0, CPU, state=state_of(study))
        assert results(study) == undisturbed

    def test_after_the_last_iteration_nothing_is_computed_again(self, study, undisturbed, monkeypatch):
        train(study, study.run(RUN), 0, CPU, state=state_of(study))
        monkeypatch.delattr(TrainingSamples, "__getitem__")
        train(study, study.run(RUN), 0, CPU, state=state_of(study))
        assert results(study) == undisturbed


class TestState:
    def test_a_damaged_one_falls_back_to_the_one_before(self, study, undisturbed, signal_at, caplog):
        interrupt(study, signal_at, 4)
        state = state_of(study)
        content = bytearray(state.newest.read_bytes())
        content[len(content) // 2] ^= 1
        state.newest.write_bytes(content)
        train(study, study.run(RUN), 0, CPU, state=state)
        said = caplog.text
        assert f"{state.newest}: damaged (ValueError); trying an earlier state" in said
        assert "resuming from iteration 4 of 6" in said
        assert results(study) == undisturbed

    def test_both_damaged_begins_anew(self, study, undisturbed, signal_at, caplog):
        interrupt(study, signal_at, 4)
        state = state_of(study)
        state.newest.write_bytes(b"")
        state.previous.write_bytes(state.previous.read_bytes()[:1000])
        train(study, study.run(RUN), 0, CPU, state=state)
        assert "resuming from iteration" not in caplog.text
        assert results(study) == undisturbed

    def test_of_another_training_is_not_gone_on_from(self, study, undisturbed, signal_at, caplog):
        interrupt(study, signal_at, 3)
        train(study, study.run(RUN), 0, CPU, state=state_of(study, fingerprint="another learning rate"))
        said = caplog.text
        assert "made with other parameters, code or data; starting from the beginning" in said
        assert "resuming from iteration" not in said
        assert results(study) == undisturbed

    def test_a_killed_one_leaves_the_state_before_whole(self, study, undisturbed, signal_at):
        interrupt(study, signal_at, 3)
        state = state_of(study)
        state.newest.replace(state.previous)  # killed between the two renames
        (state.folder / "state.next.pt").write_bytes(b"half of one")
        train(study, study.run(RUN), 0, CPU, state=state)
        assert results(study) == undisturbed

    def test_a_disk_that_is_full_stops_no_training(self, study, undisturbed, caplog):
        state = state_of(study)
        (state.folder / "state.next.pt").mkdir(parents=True)  # no file can replace it
        train(study, study.run(RUN), 0, CPU, state=state)
        assert "cannot be written (Is a directory); training continues" in caplog.text
        assert results(study) == undisturbed

    def test_a_training_that_was_taken_over_stops(self, study, monkeypatch):
        taken = state_of(study)
        load = TrainingSamples.__getitem__

        def loading(samples, sample):
            if sample == 2 * BATCH:
                state_of(study).claim()
            return load(samples, sample)

        monkeypatch.setattr(TrainingSamples, "__getitem__", loading)
        with pytest.raises(InputError, match="taken over by another process"):
            train(study, study.run(RUN), 0, CPU, state=taken)
        assert not paths.checkpoint_file(study.name, RUN, 0).exists()

    def test_one_that_was_done_by_another_while_it_is_saved_leaves_nothing(self, study, monkeypatch):
        state, save = state_of(study), torch.save
        state.claim()

        def saving(content, file):
            save(content, file)
            shutil.rmtree(state.folder)  # as the other's training does in the end

        monkeypatch.setattr(torch, "save", saving)
        with pytest.raises(InputError, match="taken over by another process"):
            state.save({})
        assert not state.folder.exists()

    def test_runs_nothing_that_a_file_holds(self, study, tmp_path, caplog):
        class Harmful:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "touched",))

        state = state_of(study)
        state.folder.mkdir(parents=True)
        payload = pickle.dumps(Harmful())
        state.newest.write_bytes(payload + hashlib.sha256(payload).digest())
        assert state.load() is None
        assert "damaged (UnpicklingError)" in caplog.text
        assert not (tmp_path / "touched").exists()


def command(*options: str) -> list[str]:
    return [str(FBNET), "train", "--study", "toy", "--run", RUN, "--device", "cpu", "--keep-every", "0", *options]


@pytest.mark.slow
def test_killed_at_ten_random_moments_the_command_ends_with_the_same_bytes(project):
    """SIGKILL leaves no time to save anything; each run of the test draws new moments."""
    project.write_study(training__epochs=60, seeds=[0])
    subprocess.run([FBNET, "prepare", "--study", "toy"], check=True, capture_output=True)
    subprocess.run(command(), check=True, capture_output=True)
    expected = results(load_study("toy"))
    paths.checkpoint_file("toy", RUN, 0).unlink()
    newest = paths.state_dir("toy", RUN, 0) / "state.pt"
    for kill in range(10):
        before = newest.stat().st_mtime_ns if newest.exists() else 0
        with subprocess.Popen(command(), stderr=subprocess.DEVNULL) as process:
            while kill % 3 and (newest.stat().st_mtime_ns if newest.exists() else 0) == before:
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.4))  # for every third kill, while it is still starting
            process.kill()
    last = subprocess.run(command(), check=True, capture_output=True, text=True)
    assert "resuming from iteration" in last.stderr
    assert results(load_study("toy")) == expected
    assert not paths.state_dir("toy", RUN, 0).exists()
