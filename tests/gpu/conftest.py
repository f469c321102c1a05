"""The device of the checks that need a GPU: without one, the same code runs on the CPU at toy size."""

import pytest
import torch


@pytest.fixture(scope="session")
def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture
def on_gpu(device) -> None:
    """Skip what only a GPU can show."""
    if device.type != "cuda":
        pytest.skip("needs a GPU: what it measures does not exist on a CPU")
