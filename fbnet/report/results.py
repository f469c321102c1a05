"""Reads what the evaluation left behind: the metrics and the sample pictures of each run and seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fbnet import paths
from fbnet.config.base import Config, Items, refuse, validating
from fbnet.config.evaluation import EvaluationConfig, Scales
from fbnet.config.labels import IGNORE_INDEX
from fbnet.config.study import Study
from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError
from fbnet.io.arrays import read_archive
from fbnet.io.text import read_json
from fbnet.names import is_file_name


class Metrics(Config, extra="ignore"):
    """What reports use of one `metrics.json`; rates are fractions of 1."""

    study: str
    run: str
    seed: int
    dataset: str
    split: str
    images: int
    classes: Items[str]
    miou: float | None
    f_miou: float | None
    """Mean IoU of all and of the foreground classes; None where none of them has an IoU."""
    iou: dict[str, float | None]
    """By class name; None for a class that is neither in the labels nor in the predictions."""
    confusion_matrix: Items[Items[int]]
    """Pixels by label (rows) and prediction (columns), in the order of the train ids; ignored pixels left out."""
    gflops: float
    iterations: int
    width: float
    training: TrainingConfig
    """Keys that a file lacks mean what they mean in a study: files are older than some of them."""
    evaluation: EvaluationConfig


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One evaluation image of `samples.npz`."""

    name: str
    image: np.ndarray
    """(H, W, 3) uint8."""
    label: np.ndarray
    """(H, W) uint8 train ids, 255 where ignored."""
    prediction: np.ndarray
    """(H, W) uint8 train ids."""
    balance: np.ndarray | None
    """(ceil(H / 8), ceil(W / 8)) float32, the channel mean of X_o at the deepest stage; None for runs without."""


def read_metrics(study: Study, run: str, seed: int, scales: Scales = "single_scale") -> Metrics | None:
    """The metrics of one run and seed; None where it has not been evaluated. Raises InputError for a damaged file."""
    path = paths.metrics_file(study.name, run, seed, scales)
    if not path.is_file():
        return None
    hint = f"evaluate again: {_command(study, run, seed, scales)}"
    content = read_json(path, "not valid JSON metrics", hint)
    with validating(path, hint):
        metrics = Metrics.model_validate(content)
        _check_metrics(metrics, study, scales, run, seed)
    return metrics


def require_metrics(study: Study, run: str, seed: int) -> Metrics:
    """As `read_metrics`, but raises InputError where the run has not been evaluated."""
    metrics = read_metrics(study, run, seed)
    if metrics is None:
        raise _missing(paths.metrics_file(study.name, run, seed), study, run, seed)
    return metrics


def require_samples(study: Study, run: str, seed: int) -> list[Sample]:
    """The sample pictures of one run and seed. Raises InputError for a missing or damaged file."""
    path = paths.samples_file(study.name, run, seed)
    if not path.is_file():
        raise _missing(path, study, run, seed)
    hint = f"evaluate again: {_command(study, run, seed)}"
    arrays = read_archive(path, hint)
    try:
        samples = [_sample(arrays, index, name) for index, name in enumerate(_sample_names(arrays))]
        _check_samples(samples, len(study.data_of(run).labels.classes))
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged ({error}); {hint}") from None
    return samples


def _sample_names(arrays: Mapping[str, np.ndarray]) -> list[str]:
    names = arrays["names"]
    if names.dtype.kind != "U" or names.ndim != 1 or not len(names):
        raise ValueError("holds no sample")
    return names.tolist()


def _sample(arrays: Mapping[str, np.ndarray], index: int, name: str) -> Sample:
    balance = f"balance_{index}"
    return Sample(
        name=name,
        image=arrays[f"image_{index}"],
        label=arrays[f"label_{index}"],
        prediction=arrays[f"prediction_{index}"],
        balance=arrays.get(balance),
    )


def _check_metrics(metrics: Metrics, study: Study, scales: Scales, run: str, seed: int) -> None:
    data = study.data_of(run)
    expected = {"study": study.name, "run": run, "seed": seed, "dataset": data.dataset}
    expected |= {"split": data.evaluate, "classes": data.labels.classes, "width": study.settings.width}
    for key, value in expected.items():
        if getattr(metrics, key) != value:
            raise refuse(f"is {getattr(metrics, key)!r}, but the study says {value!r}", key)
    for part, settings in (("training", study.training_of(run)), ("evaluation", study.evaluation(scales))):
        for key, value in vars(settings).items():
            found = getattr(getattr(metrics, part), key)
            if found != value:
                raise refuse(f"is {found!r}, but the study says {value!r}", f"{part}.{key}")
    size = len(metrics.classes)
    if tuple(metrics.iou) != metrics.classes:
        raise refuse("must hold one value for each class", "iou")
    if [len(row) for row in metrics.confusion_matrix] != [size] * size:
        raise refuse(f"must be of {size} rows and columns", "confusion_matrix")
    if min(count for row in metrics.confusion_matrix for count in row) < 0:
        raise refuse("must hold numbers of pixels, from 0 up", "confusion_matrix")
    rates = {"miou": metrics.miou, "f_miou": metrics.f_miou, **metrics.iou}
    for key, value in rates.items():
        if value is not None and not 0 <= value <= 1:
            raise refuse(f"must be a fraction of 1, not {value}", key)


def _check_samples(samples: list[Sample], classes: int) -> None:
    for sample in samples:
        if not is_file_name(sample.name):
            raise ValueError(f"{sample.name!r} is no name of an image")
        if {sample.image.dtype, sample.label.dtype, sample.prediction.dtype} != {np.dtype(np.uint8)}:
            raise ValueError(f"{sample.name}: image, label and prediction must be of bytes")
        if sample.label.ndim != 2 or not sample.label.size:
            raise ValueError(f"{sample.name}: the label is no map")
        if not sample.image.shape == (*sample.label.shape, 3) or sample.prediction.shape != sample.label.shape:
            raise ValueError(f"{sample.name}: image, label and prediction differ in size")
        if sample.prediction.max() >= classes or sample.label[sample.label != IGNORE_INDEX].max(initial=0) >= classes:
            raise ValueError(f"{sample.name}: holds ids that are no class")
        if sample.balance is not None and not _is_map(sample.balance):
            raise ValueError(f"{sample.name}: its map of X_o is no map of finite numbers")


def _is_map(values: np.ndarray) -> bool:
    return values.ndim == 2 and values.size > 0 and values.dtype == np.float32 and bool(np.isfinite(values).all())


def _command(study: Study, run: str, seed: int, scales: Scales = "single_scale") -> str:
    several = " --multi-scale" if scales == "multi_scale" else ""
    return f"fbnet evaluate{several} --study {study.name} --run {run} --seed {seed}"


def _missing(path: Path, study: Study, run: str, seed: int) -> InputError:
    return InputError(f"{path}: no such file; make it: {_command(study, run, seed)}")
