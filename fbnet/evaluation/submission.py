"""Predictions of the Cityscapes test images as a zip for the test server."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.config.labels import CITYSCAPES
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.config.training import Precision
from fbnet.data.images import read_ids
from fbnet.data.packed import PackedSplit, open_split
from fbnet.errors import InputError
from fbnet.evaluation.evaluate import load_run
from fbnet.evaluation.predictor import predict_labels
from fbnet.io.files import write_whole
from fbnet.runtime.precision import resolve

ENDING = "_labelIds.png"


def submit(study: Study, run: RunConfig, seed: int, device: torch.device, *, precision: Precision = "auto") -> Path:
    """Predict a study's test images with a run's checkpoint, at several scales if the study has them.

    The zip holds a PNG of label ids (H, W) uint8 for each image, `<city>_<sequence>_<frame>_labelIds.png`. It is
    checked before it is moved into place. `precision` is what to compute in if the study leaves it open.

    Returns:
        Path of the zip.

    Raises:
        InputError: if the study has no test images, they are not prepared or not those of the benchmark, or the
            checkpoint is missing or has classes other than those of Cityscapes.
    """
    data = study.role("cityscapes_test")
    network, config = load_run(study, run, seed)
    if config.labels.classes != CITYSCAPES.classes:
        checkpoint = paths.checkpoint_file(study.name, run.id, seed)
        raise InputError(
            f"{checkpoint}: has the {len(config.labels.classes)} classes of {config.dataset}, not those of Cityscapes; "
            "submit a run trained on Cityscapes classes"
        )
    split = open_split(data, data.predict)
    _check_benchmark(data, split)
    network.to(device, memory_format=torch.channels_last)
    settings = resolve(study.evaluation(study.export_scales), precision, device)

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for index in tqdm(range(len(split)), desc=f"submit {run.id} seed {seed}", unit="image", disable=None):
                prediction = predict_labels(network, split.image(index), settings, device)
                # No time stamp, so that equal predictions make equal files.
                archive.writestr(zipfile.ZipInfo(f"{split.names[index]}{ENDING}"), _png(prediction))
        file.flush()
        check_submission(Path(file.name), dict(zip(split.names, split.sizes, strict=True)))

    path = paths.export_file(study.name, run.id, seed)
    write_whole(path, write)
    return path


def check_submission(path: Path, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Check that a zip holds exactly one map of label ids for each image.

    Args:
        path: the zip.
        sizes: (H, W) of each image, by `<city>_<sequence>_<frame>`.

    Raises:
        InputError: for a file that is no zip, a missing or unexpected member, a wrong size, or an id that is no class
            of Cityscapes.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a zip file ({error}); run `fbnet submit` again") from None
    with archive:
        names = archive.namelist()
        expected = {f"{name}{ENDING}": size for name, size in sizes.items()}
        if sorted(names) != sorted(expected):
            wrong = sorted(set(names) ^ set(expected)) or [name for name in names if names.count(name) > 1]
            raise InputError(
                f"{path}: holds {len(names)} files for {len(expected)} images, see {wrong[0]}; run `fbnet submit` again"
            )
        for name in names:
            _check_map(path, name, _read_member(path, archive, name), expected[name])


def _read_member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a member, which must be stored uncompressed: compression would not shrink a PNG."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise InputError(f"{path}: {name} is compressed; run `fbnet submit` again")
    try:
        return archive.read(member)
    except (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: {name} is damaged ({error}); run `fbnet submit` again") from None


def _check_map(path: Path, name: str, content: bytes, size: tuple[int, int]) -> None:
    ids = read_ids(io.BytesIO(content), f"{path}: {name}")
    if ids.shape != size:
        raise InputError(f"{path}: {name} has size {ids.shape}, its image {size}; run `fbnet submit` again")
    unknown = sorted(set(np.unique(ids).tolist()) - set(_CLASS_IDS))
    if unknown:
        raise InputError(
            f"{path}: {name} holds id {unknown[0]}, which is no class of Cityscapes; run `fbnet submit` again"
        )


_CLASS_IDS = tuple(raw for raw, train_id in CITYSCAPES.raw_ids.items() if train_id < len(CITYSCAPES.classes))


def _check_benchmark(data: DataConfig, split: PackedSplit) -> None:
    """Check that the real dataset's test images are complete and of full size."""
    name, manifest = data.predict, paths.manifest_file(data.packed_name(data.predict))
    images = data.entry.images.get(name)
    if images is None:
        return
    if len(split) != images:
        raise InputError(
            f"{manifest}: split {name!r} has {len(split)} images, the benchmark {images}; complete "
            "the raw data and prepare them again"
        )
    for image, size in zip(split.names, split.sizes, strict=True):
        if size != data.entry.size:
            raise InputError(
                f"{manifest}: {image} is of {size[0]} x {size[1]} pixels, not "
                f"{data.entry.size[0]} x {data.entry.size[1]}; replace the raw image and prepare it again"
            )


def _png(prediction: np.ndarray) -> bytes:
    """Encode train ids (H, W) as a PNG of label ids."""
    buffer = io.BytesIO()
    Image.fromarray(CITYSCAPES.to_raw(prediction)).save(buffer, "PNG")
    return buffer.getvalue()
