"""Jobs that run out of memory, by the limit of a process of their own."""

import re
import subprocess
import sys

import numpy as np
import pytest

from fbnet import paths
from fbnet.config.load import load_study
from tests.conftest import prepare_all

RUN = "fcn_r50_fbnet"
HALVED = r"out of memory with (\d+) tiles in a batch; continuing with (\d+)"
NEEDED = r"peak \d+\.\d\d GiB, \d+\.\d\d GiB more requested"
LIMIT = """
import resource
import torch

def virtual(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) * 1024

def limit(more):
    resource.setrlimit(resource.RLIMIT_AS, (virtual("VmSize") + int(more), resource.RLIM_INFINITY))
"""
EVALUATION = (
    LIMIT
    + """
import sys
from fbnet.config.labels import CITYSCAPES
from fbnet.evaluation.predictor import predict_labels
from fbnet.models.build import build
from fbnet.config.load import load_runs
from fbnet.config.evaluation import EvaluationConfig
import numpy as np

torch.set_num_threads(1)
torch.manual_seed(0)
network = build(load_runs().runs["fcn_r50_fbnet"], CITYSCAPES, width=0.125).eval()
settings = EvaluationConfig(mode="sliding", tile=(128, 128), stride=(32, 32), precision="float32")
image = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
device = torch.device("cpu")
predict_labels(network, image[:128, :128], settings, device)
before = virtual("VmSize")
if len(sys.argv) > 2:
    limit(sys.argv[2])
np.save(sys.argv[1], predict_labels(network, image, settings, device))
print(virtual("VmPeak") - before)
"""
)
TRAINING = (
    LIMIT
    + """
import sys
import torch._dynamo  # as an optimiser does
import fbnet.training.train
from fbnet.cli import main

torch.set_num_threads(1)
limit(256 * 2**20)
sys.argv = ["fbnet", "train", "--study", "toy", "--run", "fcn_r50_fbnet", "--device", "cpu"]
main()
"""
)


def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_evaluation_halves_its_batch_and_says_so(tmp_path):
    whole, halved = tmp_path / "whole.npy", tmp_path / "halved.npy"
    needed = int(run(EVALUATION, str(whole)).stdout)
    # How much of it is taken in one piece differs from time to time: less and less is given until it is too little.
    for share in range(95, 50, -5):
        result = run(EVALUATION, str(halved), str(share * needed // 100))
        if result.stderr:
            break
    assert result.returncode == 0, result.stderr
    said = [re.fullmatch(HALVED, line) for line in result.stderr.splitlines()]
    assert all(line is not None and int(line[2]) == int(line[1]) // 2 for line in said)
    assert len({line[1] for line in said}) == len(said)
    # The same but for rounding, which decides where two classes are equally likely.
    assert (np.load(whole) == np.load(halved)).mean() > 0.999


def test_a_single_tile_that_is_too_large_is_said(tmp_path):
    result = run(EVALUATION, str(tmp_path / "none.npy"), "1000000")
    assert result.returncode == 1
    said = rf"an image of 512 x 512 pixels: out of memory on cpu: {NEEDED}; set evaluation.mode to sliding, with a "
    last = result.stderr.splitlines()[-1]
    assert re.search(said + "smaller evaluation.tile$", last), last


@pytest.fixture
def study(project):
    project.write_study(seeds=[0], training__crop=[1024, 1024])
    study = load_study("toy")
    prepare_all(study.data)
    return study


def test_training_stops_with_what_it_needed_and_keeps_earlier_results(study):
    path = paths.checkpoint_file("toy", RUN, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"an earlier result")
    result = run(TRAINING)
    assert result.returncode == 2, result.stderr
    last = result.stderr.splitlines()[-1]
    said = rf"fbnet: {RUN} seed 0: out of memory on cpu: {NEEDED}; lower training.batch_size or training.crop, .*"
    assert re.fullmatch(said, last), result.stderr
    assert "Traceback" not in result.stderr
    assert path.read_bytes() == b"an earlier result"
