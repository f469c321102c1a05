"""Two processes that share a batch train as one does; on the CPU, where torch cannot synchronise normalisation."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs, load_study
from fbnet.config.training import OhemConfig, TrainingConfig
from fbnet.data.packed import open_split
from fbnet.errors import InputError
from fbnet.models import checkpoint
from fbnet.models.build import build
from fbnet.runtime.distributed import rank, run_processes, world_size, wrap_ddp
from fbnet.training import train
from fbnet.training.objective import compute_loss
from fbnet.training.resume import ResumeState
from tests.conftest import ROOT, prepare_all

CPU = torch.device("cpu")
FBNET = str(Path(sys.executable).with_name("fbnet"))
RUN = load_runs().runs["fcn_r50_fbnet"]
PLAIN = TrainingConfig(crop=(32, 32), batch_size=4, epochs=1, learning_rate=0.1)
LOSSES = {
    "cross-entropy": PLAIN,
    "class weights": TrainingConfig(**{**vars(PLAIN), "class_weights": tuple(0.5 + 0.1 * i for i in range(19))}),
    "hard examples": TrainingConfig(**{**vars(PLAIN), "ohem": OhemConfig(threshold=0.04, min_kept=50)}),
    "hard examples of the batch": TrainingConfig(
        **{**vars(PLAIN), "ohem": OhemConfig(threshold=0.04, min_kept=50, mean="batch")}
    ),
    "image weights": TrainingConfig(**{**vars(PLAIN), "image_weights": 6.0}),
}
REST = [kind for kind in LOSSES if kind != "hard examples"]


@dataclass(frozen=True)
class Gradients:
    """Write the gradients of one batch shared by all processes."""

    training: TrainingConfig
    path: Path

    def __call__(self, device):
        torch.manual_seed(0)
        network = build(RUN, CITYSCAPES, width=0.0625)
        network.eval()  # the statistics of a part of the batch would differ
        generator = torch.Generator().manual_seed(1)
        images = torch.randn(4, 3, 32, 32, generator=generator)
        labels = torch.randint(0, 19, (4, 32, 32), generator=generator).to(torch.uint8)
        labels[0, :20] = 255  # so that the parts of the batch have different numbers of labelled pixels and blocks
        labels[1] = 255
        trained = wrap_ddp(network, device)
        count = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
        part = slice(rank() * 4 // count, (rank() + 1) * 4 // count)
        sum(compute_loss(trained(images[part]), labels[part], RUN, CITYSCAPES, self.training)).backward()
        if rank() == 0:
            torch.save({name: value.grad for name, value in network.named_parameters()}, self.path)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind == "cross-entropy" else kind for kind in LOSSES]
)
def test_gradients_are_those_of_the_whole_batch(tmp_path, kind):
    found = []
    for processes in (1, 2):
        path = tmp_path / f"{processes}.pt"
        run_processes(processes, CPU, Gradients(LOSSES[kind], path))
        found.append(torch.load(path))
    alone, together = found
    assert alone.keys() == together.keys()
    for name, gradient in alone.items():
        torch.testing.assert_close(together[name], gradient, rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


@pytest.fixture
def study(project):
    project.write_study(training__batch_size=4, training__epochs=2)
    study = load_study("toy")
    prepare_all(study.data)
    return study


def test_a_whole_training(study, capfd):
    """Each process has its own batch statistics on a CPU, so weights are close to those of one process, not equal."""
    train.train(study, study.runs["fcn_r50_fbnet"], 0, CPU, gpus=2)
    assert capfd.readouterr().err.count("fcn_r50_fbnet seed 0: epoch 2/2") == 1  # the first process logs
    path = paths.checkpoint_file("toy", "fcn_r50_fbnet", 0)
    network, config = checkpoint.load(path)
    assert config.iterations == 2
    assert not any(name.startswith("module.") for name in network.state_dict())
    history = paths.history_file("toy", "fcn_r50_fbnet", 0).read_text().splitlines()
    assert len(history) == 3
    train.train(study, study.runs["fcn_r50_fbnet"], 0, CPU)
    alone = paths.history_file("toy", "fcn_r50_fbnet", 0).read_text().splitlines()
    ours, theirs = (float(lines[1].split(",")[3]) for lines in (history, alone))
    assert ours == pytest.approx(theirs, rel=0.02)


@pytest.mark.slow
def test_bad_input_is_one_line(project, study):
    project.write_study(training__batch_size=4, training__learning_rate=1e30, training__epochs=20)
    with pytest.raises(InputError) as raised:
        train.train(load_study("toy"), study.runs["fcn_r50_fbnet"], 0, CPU, gpus=2)
    message = str(raised.value)
    assert message.startswith("fcn_r50_fbnet seed 0: the loss is ")
    assert "\n" not in message
    # the images of the whole batch, whichever process had them
    assert sum(name in message for name in open_split(study.data, "train").names) == 4
    assert not paths.checkpoint_file("toy", "fcn_r50_fbnet", 0).exists()


@dataclass(frozen=True)
class Fault:
    """Something that one process does while the other waits for it."""

    kind: str
    number: int

    def __call__(self, device):
        if rank() == self.number:
            if self.kind == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise {"input": InputError(f"images of rank {rank()}"), "defect": ValueError("a defect")}[self.kind]
        torch.distributed.all_reduce(torch.zeros(1))


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("input", InputError, "^images of rank {number}$"),
        ("killed", InputError, "^process {number} was killed by SIGKILL; run the same command again$"),
        ("defect", Exception, "a defect|Connection closed|Connection reset"),  # or what it did to the other one
    ],
)
def test_a_fault_of_any_process_is_told_and_ends_the_others(kind, error, message, number):
    begun = time.monotonic()
    with pytest.raises(error, match=message.format(number=number)):
        run_processes(2, CPU, Fault(kind, number))
    assert time.monotonic() - begun < 90  # a minute and the start of two processes on a busy machine
    assert not multiprocessing.active_children()


@dataclass(frozen=True)
class Steps:
    """Twenty steps of SGD with fixed statistics of the normalisation, as those of half a batch would differ."""

    path: Path

    def __call__(self, device):
        torch.manual_seed(0)
        network = build(RUN, CITYSCAPES, width=0.0625).eval()
        trained, optimiser = wrap_ddp(network, device), torch.optim.SGD(network.parameters(), 0.01, 0.9)
        generator = torch.Generator().manual_seed(1)
        share = 4 // world_size()
        part = slice(share * rank(), share * (rank() + 1))
        for _ in range(20):
            images = torch.randn(4, 3, 32, 32, generator=generator)[part]
            labels = torch.randint(0, 19, (4, 32, 32), generator=generator).to(torch.uint8)[part]
            optimiser.zero_grad()
            sum(compute_loss(trained(images), labels, RUN, CITYSCAPES, PLAIN)).backward()
            optimiser.step()
        if rank() == 0:
            torch.save(network.state_dict(), self.path)


@pytest.mark.slow
def test_twenty_steps_end_with_the_same_weights(tmp_path):
    found = []
    for processes in (1, 2):
        run_processes(processes, CPU, Steps(tmp_path / f"{processes}.pt"))
        found.append(torch.load(tmp_path / f"{processes}.pt"))
    alone, together = found
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.slow
def test_torchrun_gives_the_same_bytes(study):
    """The processes of a launcher, which find each other by its variables, do what those started here do."""
    run = "fcn_r50_fbnet"
    train.train(study, study.runs[run], 0, CPU, gpus=2)
    path = paths.checkpoint_file("toy", run, 0)
    expected = path.read_bytes()
    path.unlink()
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "--no-python",
        "--",
    ]
    command = [FBNET, "train", "--study", "toy", "--run", run, "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*torchrun, *command], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == expected
    assert done.stderr.count(f"{run} seed 0: epoch 2/2") == 1
    assert paths.provenance_file("toy", "train", f"{run}/seed0").is_file()


STOPPED = """
import sys
from pathlib import Path
import torch
from fbnet.config.load import load_study
from fbnet.training.resume import ResumeState
from fbnet.training.train import train
if __name__ == "__main__":
    study = load_study("toy")
    state = ResumeState(Path("state"), "this training", every=0)
    train(study, study.runs["fcn_r50_fbnet"], 0, torch.device("cpu"), gpus=2, state=state)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_the_first_process_stops_all_and_nothing_is_lost(project, study, number):
    project.write_study(training__batch_size=4, training__epochs=40)
    study, run = load_study("toy"), "fcn_r50_fbnet"
    Path("stopped.py").write_text(STOPPED)
    command = [sys.executable, "stopped.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    while not Path("state/state.pt").exists():
        assert first.poll() is None
        time.sleep(0.02)
    first.send_signal(number)
    assert f"{run} seed 0: stopped by {number.name} after iteration " in first.communicate(timeout=120)[1]
    assert first.returncode == 128 + number
    second = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert f"{run} seed 0: resuming from iteration " in second.stderr
    path = paths.checkpoint_file("toy", run, 0)
    interrupted = path.read_bytes()
    train.train(study, study.runs[run], 0, CPU, gpus=2)
    assert path.read_bytes() == interrupted


@pytest.mark.slow
def test_a_training_goes_on_with_another_number_of_processes(study, caplog, tmp_path):
    caplog.set_level("INFO", "fbnet")
    state = ResumeState(tmp_path / "state", "this training", every=0)
    train.train(study, study.runs["fcn_r50"], 0, CPU, gpus=2, state=state)
    expected = paths.history_file("toy", "fcn_r50", 0).read_text()
    train.train(study, study.runs["fcn_r50"], 0, CPU, state=state)
    assert "resuming from iteration 2 of 2" in caplog.text
    assert paths.history_file("toy", "fcn_r50", 0).read_text() == expected


def test_a_batch_that_cannot_be_shared(study):
    with pytest.raises(InputError, match=r"training\.batch_size: 4 images a batch cannot be shared by 3 GPUs"):
        train.train(study, study.runs["fcn_r50"], 0, CPU, gpus=3)


@pytest.mark.skipif(torch.cuda.device_count() >= 2, reason="there are two GPUs")
def test_gpus_that_are_not_there(study):
    with pytest.raises(InputError, match=r"--gpus 2: torch finds [01]; ask for fewer"):
        train.train(study, study.runs["fcn_r50"], 0, torch.device("cuda"), gpus=2)
