"""Applies a checkpoint to a user's own images: label maps, overlays and what the feature balance module sees."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import click
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


def predict_images(
    path: Path, sources: Iterable[Path], output: Path, device: torch.device, *, show_balance: bool = False
) -> list[Path]:
    """Predicts images and writes, under their own names, to folders of `output`:

    `labels/` label maps in the raw ids of the network's data set, which `fbnet score` takes; `overlay/` the classes'
    colours over the image; with `show_balance`, `balance/` the mean over channels of X_o (Fig. 7).

    Images are predicted in one piece, photographs of more than `fbnet.evaluation.predictor.MAX_PIXELS` in several.

    Args:
        path: a checkpoint.
        sources: image files, and folders of which every image is taken.
        output: the folder to write to.
        device: where to compute.
        show_balance: whether to write the maps of X_o as well.

    Returns:
        The images that could not be read; each one is named on stderr and left out.

    Raises:
        InputError: for a missing image or folder, two images of one name, a damaged checkpoint, or one without feature
            modulator where its map is asked for.
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
            click.echo(f"fbnet: {error}", err=True)
            unreadable.append(source)
            continue
        for kind, picture in _pictures(network, image, config.labels, device, show_balance=show_balance):
            target = output / kind / f"{source.stem}.png"
            write_whole(target, lambda file, picture=picture: picture.save(file, "PNG"))
    return unreadable


def find_images(sources: Iterable[Path]) -> list[Path]:
    """Files as given, and every image of the folders. Raises InputError where there is none, or two share a name."""
    found = []
    for source in sources:
        if not (source.is_file() or source.is_dir()):
            raise InputError(f"{source}: no such file or folder; name images or a folder of them")
        inside = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES) if source.is_dir() else []
        if source.is_dir() and not inside:
            raise InputError(f"{source}: holds no image ({', '.join(SUFFIXES)}); name images or a folder of them")
        found += inside or [source]
    stems = {}
    for path in found:
        other = stems.setdefault(path.stem, path)
        if other != path:
            raise InputError(f"{path}: has the name of {other}, whose results it would overwrite; predict them apart")
    return list(stems.values())


def overlay(image: np.ndarray, prediction: np.ndarray, labels: LabelSpec) -> np.ndarray:
    """The mean of an image (H, W, 3) uint8 and the colours of its classes (H, W)."""
    mean = np.array(labels.palette, dtype=np.uint16)[prediction]
    mean += image
    mean //= 2
    return mean.astype(np.uint8)


def _pictures(
    network: SegmentationNetwork, image: np.ndarray, labels: LabelSpec, device: torch.device, *, show_balance: bool
) -> Iterator[tuple[str, Image.Image]]:
    """What is written of one image, by kind."""
    prediction = predict_labels(network, image, EvaluationConfig(), device)
    yield "labels", Image.fromarray(labels.to_raw(prediction))
    yield "overlay", Image.fromarray(overlay(image, prediction, labels))
    if show_balance:
        stride = network.backbone.strides[modulated_stage(network)]
        yield "balance", _coloured(balance_map(network, image, device), stride, image.shape[:2])


def _coloured(values: np.ndarray, stride: int, size: tuple[int, int]) -> Image.Image:
    """A map (h, w) in colours from its lowest to its highest value, at the image's size."""
    span = values.max() - values.min()
    scaled = Image.fromarray((values - values.min()) / (span if span > 0 else 1))
    rows, columns = values.shape
    # The last features of an image that is no multiple of the stride reach beyond it.
    enlarged = scaled.resize((columns * stride, rows * stride), Image.Resampling.BILINEAR)
    inside = np.asarray(enlarged)[: size[0], : size[1]]
    return Image.fromarray(matplotlib.colormaps["viridis"](inside, bytes=True)[..., :3])
