"""Losses and weights of a few float32 training steps, compared with recorded ones.

The recorded numbers are those of a CPU. They depend on the machine by rounding only, which these settings hardly
amplify. Should training change on purpose, write the new numbers with `python -m tests.training.test_golden`.
"""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset

from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX
from fbnet.config.load import load_runs
from fbnet.config.training import TrainingConfig
from fbnet.models.build import SegmentationNetwork, build
from fbnet.runtime.determinism import deterministic_algorithms
from fbnet.training.objective import compute_loss
from fbnet.training.trainer import Trainer

FILE = Path(__file__).with_name("golden.json")
RUNS = ("fcn_r50_fbnet", "pspnet_r50", "deeplabv3plus_wrn38_fbnet")
STEPS, BATCH, CROP = 3, 4, (64, 96)
CONFIG = TrainingConfig(
    crop=CROP, batch_size=BATCH, epochs=STEPS, learning_rate=2e-4, weight_decay=1.0, precision="float32"
)


class Noise(Dataset):
    """Random images and random label patches of 8 x 8 pixels."""

    def __len__(self) -> int:
        return STEPS * BATCH

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(number)
        image = torch.randint(256, (*CROP, 3), generator=generator, dtype=torch.uint8)
        patches = torch.randint(20, (CROP[0] // 8, CROP[1] // 8), generator=generator)
        patches[patches == 19] = IGNORE_INDEX
        return image, patches.byte().repeat_interleave(8, 0).repeat_interleave(8, 1)


def trained(run_id: str) -> tuple[SegmentationNetwork, list[tuple[float, float]]]:
    """A network after STEPS steps, and the segmentation and balance loss of each."""
    run, threads = load_runs().runs[run_id], torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = build(run, CITYSCAPES, width=0.0625).to(memory_format=torch.channels_last)
    objective = partial(compute_loss, run=run, spec=CITYSCAPES, training=CONFIG)
    try:
        with deterministic_algorithms(True):
            history = Trainer(network, Noise(), CONFIG, objective, torch.device("cpu"), run_id).fit()
    finally:
        torch.set_num_threads(threads)
    return network, [(record.segmentation_loss, record.balance_loss) for record in history.records]


def summary(network: SegmentationNetwork) -> dict[str, tuple[float, float]]:
    """Sum and norm of the weights and statistics of each part of a network."""
    parts: dict[str, list[torch.Tensor]] = {}
    for name, value in network.state_dict().items():
        first, second, _ = name.split(".", 2)
        part = f"{first}.{second}" if first == "backbone" else first
        if value.is_floating_point():
            parts.setdefault(part, []).append(value.double().flatten())
    values = {part: torch.cat(tensors) for part, tensors in parts.items()}
    return {part: (vector.sum().item(), vector.norm().item()) for part, vector in values.items()}


@pytest.mark.parametrize("run_id", RUNS)
def test_losses_and_weights_are_those_recorded(run_id):
    expected = json.loads(FILE.read_text())[run_id]
    network, losses = trained(run_id)
    for found, recorded in zip(losses, expected["losses"], strict=True):
        assert found == pytest.approx(recorded, rel=2e-5)
    weights = summary(network)
    assert list(weights) == list(expected["weights"])
    for part, (total, norm) in weights.items():
        recorded_total, recorded_norm = expected["weights"][part]
        assert norm == pytest.approx(recorded_norm, rel=2e-5), part
        assert total == pytest.approx(recorded_total, abs=1e-4 * norm), part


@pytest.mark.parametrize("run_id", RUNS)
def test_two_trainings_in_a_row_give_the_same_bytes(run_id):
    first, second = trained(run_id), trained(run_id)
    assert first[1] == second[1]
    states = [network.state_dict() for network, _ in (first, second)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


if __name__ == "__main__":
    found = {}
    for run_id in RUNS:
        network, losses = trained(run_id)
        found[run_id] = {"losses": losses, "weights": summary(network)}
    FILE.write_text(json.dumps(found, indent=1) + "\n")
