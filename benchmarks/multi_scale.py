"""Multi-scale evaluation with mirror images of 1024 x 2048, against tile by tile and scale by scale with the softmax
over the whole image."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.harness import share_of_memory, times_as_fast, write
from benchmarks.networks import DEVICE
from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.data.normalisation import normalise
from fbnet.evaluation.predictor import predict_labels
from fbnet.evaluation.tiling import tile_starts
from fbnet.models.build import build
from fbnet.runtime.precision import autocast

SIZE, WIDTH = (1024, 2048), 1.0 if DEVICE.type == "cuda" else 0.125
SETTINGS = EvaluationConfig(mode="sliding", tile=(832, 832), stride=(560, 560), scales=(0.5, 1.0, 1.5), mirror=True)
ROUNDS = 3
TARGET = 1.5 if DEVICE.type == "cuda" else 1.0


def main() -> None:
    torch.manual_seed(0)
    network = build(load_runs().runs["fcn_r50"], CITYSCAPES, width=WIDTH)
    network = network.to(DEVICE, memory_format=torch.channels_last).eval()
    image = np.random.default_rng(0).integers(256, size=(*SIZE, 3), dtype=np.uint8)

    def ours() -> np.ndarray:
        return predict_labels(network, image, SETTINGS, DEVICE)

    def theirs() -> np.ndarray:
        return tile_by_tile(network, image)

    agreement = float((ours() == theirs()).mean())
    what, against = "multi-scale with mirror images, 1024 x 2048", "tile by tile, scale by scale"
    rows = [
        times_as_fast(ours, theirs, rounds=ROUNDS, what=what, against=against, target=TARGET),
        share_of_memory(ours, theirs, what=f"{what}: memory", against=against, target=1.0),
    ]
    write(
        "multi_scale", rows, scales=SETTINGS.scales, tile=SETTINGS.tile, stride=SETTINGS.stride, width=WIDTH,
        same_labels=agreement, rounds=ROUNDS,
    )  # fmt: skip


@torch.inference_mode()
def tile_by_tile(network: nn.Module, image: np.ndarray) -> np.ndarray:
    """Evaluate the usual way, without regard for memory, with the same tiles, scales and means."""
    values = normalise(torch.tensor(image)[None], DEVICE)
    total = 0
    for scale in SETTINGS.scales:
        size = [round(side * scale) for side in SIZE]
        scaled = values if scale == 1 else functional.interpolate(values, size, mode="bilinear", antialias=True)
        for mirror in (False, True):
            logits = sliding(network, scaled.flip(-1) if mirror else scaled, max(1.0, scale))
            logits = logits.flip(-1) if mirror else logits
            total = total + functional.interpolate(logits, SIZE, mode="bilinear").softmax(dim=1)
    return total.argmax(dim=1)[0].byte().cpu().numpy()


def sliding(network: nn.Module, values: Tensor, growth: float) -> Tensor:
    height, width = values.shape[-2:]
    side, step = round(SETTINGS.tile[0] * growth), round(SETTINGS.stride[0] * growth)
    values = functional.pad(values, (0, -width % 8, 0, -height % 8))
    total = torch.zeros(1, len(CITYSCAPES.classes), *values.shape[-2:], device=DEVICE)
    count = torch.zeros(values.shape[-2:], device=DEVICE)
    for top in tile_starts(values.shape[-2], side, step):
        for left in tile_starts(values.shape[-1], side, step):
            window = (slice(top, top + side), slice(left, left + side))
            with autocast("auto", DEVICE):
                total[..., *window] += network(values[..., *window])["out"]
            count[window] += 1
    return (total / count)[..., :height, :width]


if __name__ == "__main__":
    main()
