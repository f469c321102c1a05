"""The training loop on a network of one layer: when losses are read, and what one that is not finite leaves behind."""

import math

import pytest
import torch
from torch import nn

from fbnet.config.training import TrainingConfig
from fbnet.data.normalisation import IMAGENET
from fbnet.data.sampler import TrainingSamples
from fbnet.errors import InputError
from fbnet.training.resume import ResumeState
from fbnet.training.trainer import Trainer
from tests.data.splits import packed_split

BATCH, ITERATIONS = 2, 6
CONFIG = TrainingConfig(crop=(8, 8), batch_size=BATCH, epochs=ITERATIONS // 2, learning_rate=0.01, precision="float32")


class Network(nn.Module):
    """A 1x1 convolution in place of a network."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 2, 1)
        self.backbone.normalisation = IMAGENET

    def forward(self, images):
        return {"out": self.backbone(images)}


class Steps:
    """Objective that counts its calls, and is not a number in one of them."""

    def __init__(self, bad: int | None = None) -> None:
        self.bad, self.calls = bad, 0

    def __call__(self, outputs, labels):
        value = math.nan if self.calls == self.bad else float(self.calls)
        self.calls += 1
        return outputs["out"].sum() * 0 + value, labels.new_zeros((), dtype=torch.float32)


def trainer(objective, state=None):
    samples = TrainingSamples(packed_split([(16, 24)] * 2 * BATCH), CONFIG, seed=0)
    return Trainer(Network(), samples, CONFIG, objective, torch.device("cpu"), "it", state)


def test_every_loss_is_in_the_history():
    objective = Steps()
    history = trainer(objective).fit()
    assert [record.segmentation_loss for record in history.records] == [0.5, 2.5, 4.5]  # of epochs of two iterations


def test_a_loss_is_read_when_the_next_iteration_is_queued(monkeypatch):
    objective, read = Steps(), []
    ours = trainer(objective)
    add = ours.history.add

    def adding(iteration, *values):
        read.append((iteration, objective.calls))
        add(iteration, *values)

    monkeypatch.setattr(ours.history, "add", adding)
    ours.fit()
    assert read == [*((iteration, iteration + 2) for iteration in range(ITERATIONS - 1)), (ITERATIONS - 1, ITERATIONS)]


@pytest.mark.parametrize("every", [0, 1000])
@pytest.mark.parametrize("bad", range(ITERATIONS))
def test_a_loss_that_is_not_finite_names_its_images_and_is_never_saved(tmp_path, bad, every):
    state = ResumeState(tmp_path / "state", "this training", every)
    state.claim()
    ours = trainer(Steps(bad), state)
    numbers = range(bad * BATCH, (bad + 1) * BATCH)
    names = ", ".join(f"image_{ours.samples.image_index(number)}" for number in numbers)
    with pytest.raises(InputError, match=f"^it: the loss is nan at iteration {bad} with images {names}; "):
        ours.fit()
    saved = state.load()
    assert (saved is None) == (every > 0 or bad == 0)
    assert saved is None or saved["iteration"] == bad
