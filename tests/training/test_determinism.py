"""Same bytes from the same seed on one machine, whatever its load and the number of loaders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.runtime.determinism import deterministic_algorithms
from fbnet.training.train import train
from tests.conftest import prepare_all

CPU = torch.device("cpu")
RUN = "fcn_r50_fbnet"
FBNET = Path(sys.executable).with_name("fbnet")


@pytest.fixture
def study(project):
    # Wide enough for torch to split a layer over all its threads.
    project.write_study(width=0.25, training__crop=[64, 128], training__photometric={}, seeds=[0])
    study = load_study("toy")
    prepare_all(study.data)
    return study


def checkpoint() -> bytes:
    path = paths.checkpoint_file("toy", RUN, 0)
    content = path.read_bytes()
    path.unlink()
    return content


def test_with_any_number_of_loader_processes(study):
    found = []
    for workers in (0, 1, 4):
        train(study, study.run(RUN), 0, CPU, workers=workers)
        found.append(checkpoint())
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_with_any_number_of_threads_that_the_machine_offers(study):
    def trained(threads: int) -> bytes:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        command = [FBNET, "train", "--study", "toy", "--run", RUN, "--device", "cpu"]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return checkpoint()

    assert trained(1) == trained(2) == trained(5)


def test_the_number_of_threads_is_the_studys(project, study):
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            train(study, study.run(RUN), 0, CPU)
            found.append(checkpoint())
    finally:
        torch.set_num_threads(before)
    # Were they the same, the number would not have to be the study's.
    assert found[0] != found[1]


def test_every_part_of_a_training_has_a_deterministic_algorithm(project):
    """On this device; torch refuses any nondeterministic kernel."""
    parts = {
        "training__ohem": {"threshold": 0.7, "min_kept": 100},
        "training__class_weights": [1.0 + 0.1 * index for index in range(19)],
        "training__photometric": {},
    }
    project.write_study(seeds=[0], **parts)
    study = load_study("toy")
    prepare_all(study.data)
    for run in ("pspnet_r50_fbnet", "deeplabv3plus_r50_fbnet"):
        train(study, study.run(run), 0, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def test_the_switch(project):
    seen = {}

    def see(_layer, _inputs):
        seen[torch.are_deterministic_algorithms_enabled()] = True

    for wanted in (True, False):
        project.write_study(seeds=[0], training__deterministic=wanted)
        study = load_study("toy")
        prepare_all(study.data)
        with torch.nn.modules.module.register_module_forward_pre_hook(see):
            train(study, study.run(RUN), 0, CPU)
        assert seen == {wanted: True}
        seen.clear()
    with deterministic_algorithms(False):
        assert not torch.are_deterministic_algorithms_enabled()
