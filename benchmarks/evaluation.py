"""Share of an evaluation outside the network's forward pass: reading, normalising, resizing, counting."""

import contextlib
import tempfile
import time

import numpy as np
import torch

from benchmarks.harness import Row, Spread, synchronise, write
from benchmarks.networks import DEVICE
from fbnet.config.datasets import DataConfig, SyntheticConfig
from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.data.packed import open_split
from fbnet.data.prepare import prepare
from fbnet.evaluation.metrics import confusion_matrix
from fbnet.evaluation.predictor import predict_labels
from fbnet.models.build import build
from fbnet.runtime.precision import choose_precision

SIZE = (1024, 2048)
IMAGES = 64 if DEVICE.type == "cuda" else 4


def main() -> None:
    torch.manual_seed(0)
    network = build(load_runs().runs["fcn_r101"], CITYSCAPES).to(DEVICE, memory_format=torch.channels_last).eval()
    watch = Watch()
    network.register_forward_pre_hook(watch.start)
    network.register_forward_hook(watch.stop)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        config = SyntheticConfig(height=SIZE[0], width=SIZE[1], images={"val": IMAGES}, seed=0)
        data = DataConfig(dataset="synthetic", root="raw", synthetic=config, evaluate="val")
        prepare(data, "val")
        split = open_split(data, "val")
        confusion = np.zeros((len(CITYSCAPES.classes),) * 2, dtype=np.int64)
        shares = []
        for index in [0, *range(IMAGES)]:
            watch.seconds, begin = 0.0, time.perf_counter()
            prediction = predict_labels(network, split.image(index), EvaluationConfig(), DEVICE)
            confusion += confusion_matrix(split.labels(index), prediction, len(CITYSCAPES.classes))
            shares.append(1 - watch.seconds / (time.perf_counter() - begin))
    row = Row(
        what="evaluation, all but the forward pass",
        against="the whole evaluation",
        ratio=Spread.of(shares[1:]),  # the first one is the warm-up
        target=0.1,
        better="lower",
        unit="of it",
    )
    write("evaluation", [row], run="fcn_r101", image=SIZE, images=IMAGES, precision=choose_precision("auto", DEVICE))


class Watch:
    """Hooks that add up the seconds of a network's forward passes."""

    seconds = 0.0

    def start(self, *_: object) -> None:
        synchronise()
        self.begin = time.perf_counter()

    def stop(self, *_: object) -> None:
        synchronise()
        self.seconds += time.perf_counter() - self.begin


if __name__ == "__main__":
    main()
