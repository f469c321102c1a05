"""Prediction of a user's own images by a checkpoint: label maps, overlays and maps of X_o (Fig. 7)."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.labels import LabelSpec
from fbnet.data.images import read_image
from fbnet.errors import InputError
from fbnet.evaluation.predictor import balance_map, modulated_stage, predict_labels
from fbnet.io.files import write_whole
from fbnet.models import checkpoint
from fbnet.models.build import SegmentationNetwork

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

logger = logging.getLogger(__name__)


def predict_images(
    path: Path, sources: Iterable[Path], output: Path, device: torch.device, *, show_balance: bool = False
) -> list[Path]:
    """Predict images and write the results, under the images' names, to folders of `output`.

    `labels/` holds label maps in the raw ids of the network's dataset, as `fbnet score` reads them; `overlay/` the
    classes' colours over the image; with `show_balance`, `balance/` the mean over channels of X_o (Fig. 7).

    Args:
        path: a checkpoint.
        sources: image files, and folders whose images are all predicted.
        output: the folder to write to.
        device: where to compute.
        show_balance: whether to write the maps of X_o.

    Returns:
        The unreadable images; each is skipped with a warning.

    Raises:
        InputError: for a missing image or folder, two images of the same name, a damaged checkpoint, or `show_balance`
            with a network that has no feature modulator.
    """
    images = find_images(sources)
    network, config = checkpoint.load(path)
    if show_balance and modulated_stage(network) is None:
        raise InputError(f"{path}: {config.run.id} has no feature modulator to show; leave out --show-balance")
    network.to(device, memory_format=torch.channels_last)
    unreadable = []
    for source in tqdm(images, desc="predict", unit="image", disable=None):
        try:
            image = read_image(source)
        except InputError as error:
            logger.warning("%s", error)
            unreadable.append(source)
            continue
        for kind, picture in _pictures(network, image, config.labels, device, show_balance=show_balance):
            target = output / kind / f"{source.stem}.png"
            write_whole(target, lambda file, picture=picture: picture.save(file, "PNG"))
    return unreadable


def find_images(sources: Iterable[Path]) -> list[Path]:
    """List image files and the images of folders. Raises InputError if there is none or two share a name."""
    found = []
    for source in sources:
        if not (source.is_file() or source.is_dir()):
            raise InputError(f"{source}: no such file or folder; name images or a folder of images")
        inside = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES) if source.is_dir() else []
        if source.is_dir() and not inside:
            raise InputError(f"{source}: holds no image ({', '.join(SUFFIXES)}); name images or a folder of images")
        found += inside or [source]
    stems = {}
    for path in found:
        other = stems.setdefault(path.stem, path)
        if other != path:
            raise InputError(f"{path}: same name as {other}, whose results it would overwrite; predict them separately")
    return list(stems.values())


def overlay(image: np.ndarray, prediction: np.ndarray, labels: LabelSpec) -> np.ndarray:
    """Mean of an image (H, W, 3) uint8 and the colours of its predicted train ids (H, W)."""
    mean = np.array(labels.palette, dtype=np.uint16)[prediction]
    mean += image
    mean //= 2
    return mean.astype(np.uint8)


def _pictures(
    network: SegmentationNetwork, image: np.ndarray, labels: LabelSpec, device: torch.device, *, show_balance: bool
) -> Iterator[tuple[str, Image.Image]]:
    """Output folder and picture of each result of one image."""
    prediction = predict_labels(network, image, EvaluationConfig(), device)
    yield "labels", Image.fromarray(labels.to_raw(prediction))
    yield "overlay", Image.fromarray(overlay(image, prediction, labels))
    if show_balance:
        stride = network.backbone.strides[modulated_stage(network)]
        yield "balance", _coloured(balance_map(network, image, device), stride, image.shape[:2])


def _coloured(values: np.ndarray, stride: int, size: tuple[int, int]) -> Image.Image:
    """A map (h, w) in colours from its lowest to its highest value, at an image's size."""
    span = values.max() - values.min()
    scaled = Image.fromarray((values - values.min()) / (span if span > 0 else 1))
    rows, columns = values.shape
    # If the image is no multiple of the stride, its last features reach beyond it.
    enlarged = scaled.resize((columns * stride, rows * stride), Image.Resampling.BILINEAR)
    inside = np.asarray(enlarged)[: size[0], : size[1]]
    return Image.fromarray(matplotlib.colormaps["viridis"](inside, bytes=True)[..., :3])
