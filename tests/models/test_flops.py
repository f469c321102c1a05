"""Operations computed by hand, and the paper's own numbers."""

import pytest
import torch
from torch import nn

from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.models.feature_balance import FeatureBalance
from fbnet.models.flops import count, operations
from fbnet.models.layers import GlobalMean, RegionMeans

RUNS = load_runs().runs


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Conv2d(3, 5, 3, padding=1, bias=False), (1, 3, 4, 4), 5 * 16 * 3 * 9),
        (nn.Conv2d(3, 5, 3, padding=1), (1, 3, 4, 4), 5 * 16 * (3 * 9 + 1)),
        (nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2, bias=False), (1, 4, 6, 6), 4 * 9 * 2 * 9),
        (nn.Linear(6, 7), (1, 6), 7 * 6 + 7),
        (nn.BatchNorm2d(3), (1, 3, 2, 5), 2 * 30),
        (nn.ReLU(), (1, 3, 2, 5), 30),
        (nn.MaxPool2d(3, 2, 1), (1, 2, 4, 4), 32),
        (GlobalMean(), (1, 2, 4, 4), 32),
        (RegionMeans(2), (1, 2, 4, 4), 32),
        (nn.Sigmoid(), (1, 2, 4, 4), 0),
    ],
)
def test_layers_by_hand(layer, shape, expected):
    assert operations(layer.eval(), torch.zeros(shape)) == expected


def test_a_layer_that_is_used_twice_counts_twice():
    relu = nn.ReLU()

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = relu

        def forward(self, values):
            return self.relu(self.relu(values))

    assert operations(Twice(), torch.zeros(1, 5)) == 10


def test_feature_balance_by_hand():
    module = FeatureBalance(8, 3)
    spatial = 4 * (8 + 1)
    channel = 8 * 4 + 8 * 8 + 8  # pooling's input, the fully connected layer with bias
    classifier = 3 * 4 * (8 + 1)
    assert operations(module, torch.zeros(1, 8, 2, 2)) == spatial + channel + classifier


@pytest.mark.parametrize(("run", "paper"), [("deeplabv3plus_r50", 760.44), ("pspnet_r50", 540.78)])
def test_the_papers_table_2(run, paper):
    gflops, _ = count(RUNS[run], CITYSCAPES)
    assert gflops == pytest.approx(paper, abs=0.02)
    with_fbnet, _ = count(RUNS[f"{run}_fbnet"], CITYSCAPES)
    assert 0 < with_fbnet - gflops <= 0.76
