"""Trainings on a GPU: the same bytes, resuming, number formats, compilation and memory."""

import csv
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs, load_study
from fbnet.config.training import TrainingConfig
from fbnet.data.normalisation import normalise
from fbnet.models.build import build
from fbnet.planning.estimates import Estimate
from fbnet.planning.footprint import footprint
from fbnet.runtime.determinism import deterministic_algorithms
from fbnet.runtime.precision import autocast
from fbnet.runtime.stop_signals import Interrupted
from fbnet.training.objective import compute_loss
from fbnet.training.resume import ResumeState
from fbnet.training.train import train
from fbnet.training.trainer import Trainer
from tests.conftest import prepare_all

RUN = "fcn_r50_fbnet"


@pytest.fixture
def study(project, device):
    """A training with every part that has kernels of its own; on a GPU wide enough to use those for large layers."""
    large = device.type == "cuda"
    scenes = {"height": 256, "width": 512, "images": {"train": 16, "val": 2}, "seed": 0}
    changes = {"width": 0.5, "training__crop": [256, 256], "data__cityscapes__synthetic": scenes} if large else {}
    changes |= {"training__ohem": {"threshold": 0.7, "min_kept": 100}, "training__photometric": {}}
    project.write_study(**changes, training__epochs=4, seeds=[0])
    study = load_study("toy")
    prepare_all(study.data)
    return study


def trained(study, device, run=RUN, **options) -> bytes:
    """Train, and take the checkpoint away."""
    train(study, study.run(run), 0, device, **options)
    path = paths.checkpoint_file("toy", run, 0)
    content = path.read_bytes()
    path.unlink()
    return content


def change(study, **settings):
    """Return the study with other settings of its training."""
    training = study.settings.training.model_copy(update=settings)
    return replace(study, settings=study.settings.model_copy(update={"training": training}))


def losses(study, device) -> list[float]:
    """Train, and return the losses of the epochs."""
    trained(study, device)
    with paths.history_file("toy", RUN, 0).open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("run", ["fcn_r50_fbnet", "pspnet_r50_fbnet", "deeplabv3plus_r50_fbnet"])
def test_the_same_bytes_twice(study, device, run):
    assert trained(study, device, run, workers=2) == trained(study, device, run, workers=0)


def test_resumed_it_gives_the_same_bytes(study, device, tmp_path):
    expected = trained(study, device)
    state = ResumeState(tmp_path / "state", "this training", every=1e9)
    step = Trainer._step

    def interrupted_step(trainer, *arguments):
        step(trainer, *arguments)
        if trainer.done == 3:
            signal.raise_signal(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", interrupted_step)
        with pytest.raises(Interrupted):
            train(study, study.run(RUN), 0, device, state=state)
    assert trained(study, device, state=state) == expected


def test_bfloat16_learns_as_float32_does(study, device):
    found = [losses(change(study, precision=precision), device) for precision in ("float32", "bfloat16")]
    assert found[1] == pytest.approx(found[0], rel=0.05)


@pytest.mark.slow
def test_compiled_it_learns_the_same(study, device):
    found = [losses(change(study, compile=choice), device) for choice in ("never", "always")]
    assert found[1] == pytest.approx(found[0], rel=0.01)


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("run", ["fcn_r50", "fcn_r101_fbnet"])
def test_a_plan_s_memory_is_that_of_a_training(device, run):
    """Within a fifth: kernels of convolutions choose their workspaces by themselves."""
    config = load_runs().runs[run]
    training = TrainingConfig(crop=(832, 832), batch_size=8, epochs=1, learning_rate=0.01)
    estimate = Estimate(run=config, labels=CITYSCAPES, training=training, precision="bfloat16", width=1.0)
    planned = footprint(estimate).memory
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    network = build(config, CITYSCAPES).to(device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    images = torch.randint(256, (8, 832, 832, 3), dtype=torch.uint8)
    labels = torch.randint(19, (8, 832, 832), dtype=torch.uint8).to(device)
    with deterministic_algorithms(True):
        for _ in range(2):
            with autocast("bfloat16", device):
                outputs = network(normalise(images, device))
            optimiser.zero_grad(set_to_none=True)
            sum(compute_loss(outputs, labels, config, CITYSCAPES, training)).backward()
            optimiser.step()
    assert planned == pytest.approx(torch.cuda.max_memory_allocated(device), rel=0.2)


def test_neither_snakemake_nor_dvc_is_needed():
    modules = "fbnet.training.train, fbnet.evaluation.evaluate, benchmarks.training_step, tests.gpu.test_training"
    code = f"import sys, {modules}; sys.exit(bool({{'snakemake', 'dvc'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
