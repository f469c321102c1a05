"""Read the evaluation's output: metrics and sample images of each run and seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fbnet import paths
from fbnet.config.base import Config, Items, refuse, validating
from fbnet.config.evaluation import EvaluationConfig, Scales
from fbnet.config.labels import IGNORE_INDEX
from fbnet.config.study import Study
from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError
from fbnet.io.arrays import read_archive
from fbnet.names import is_file_name
from fbnet.report.reading import read_result, require_equal


class Environment(Config, extra="ignore"):
    """What something was computed in and on; None where an older file does not say."""

    device: str | None = None
    """`cpu` or `cuda`."""
    precision: str | None = None
    torch_version: str | None = None


class Scores(Config, extra="ignore"):
    """Rates of one confusion matrix as fractions of 1."""

    miou: float | None
    f_miou: float | None
    """Mean IoU of all and of the foreground classes; None if no such class has an IoU."""


class Metrics(Environment, extra="ignore"):
    """The fields of `metrics.json` that reports use, those of the evaluation's environment included.

    Rates are fractions of 1.
    """

    study: str
    run: str
    seed: int
    dataset: str
    split: str
    images: int
    classes: Items[str]
    miou: float | None
    f_miou: float | None
    """Mean IoU of all and of the foreground classes; None if no such class has an IoU."""
    iou: dict[str, float | None]
    """By class name; None for a class in neither labels nor predictions."""
    confusion_matrix: Items[Items[int]]
    """Pixels by label (rows) and prediction (columns) in train id order, without ignored pixels."""
    mirrored: Scores | None = None
    """Rates of the mean with the mirrored image; None if the study does not ask for them."""
    gflops: float
    parameters: int
    iterations: int
    width: float
    training: TrainingConfig
    """Keys that older files lack take their defaults."""
    evaluation: EvaluationConfig
    trained: Environment | None = None
    """Environment of the training."""


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
    """(ceil(H / 8), ceil(W / 8)) float32, channel mean of X_o at the deepest stage; None for runs without FBNet."""


def read_metrics(study: Study, run: str, seed: int, scales: Scales = "single_scale") -> Metrics | None:
    """Return the metrics of one run and seed, None before its evaluation. Raises InputError for a damaged file."""
    path = paths.metrics_file(study.name, run, seed, scales)
    remedy = f"evaluate again: {_command(study, run, seed, scales)}"
    metrics = read_result(path, Metrics, _expected(study, run, seed), remedy)
    if metrics is not None:
        with validating(path, remedy):
            _check_metrics(metrics, study, scales)
    return metrics


def require_metrics(study: Study, run: str, seed: int) -> Metrics:
    """Return the metrics as `read_metrics`. Raises InputError before the evaluation, too."""
    metrics = read_metrics(study, run, seed)
    if metrics is None:
        path = paths.metrics_file(study.name, run, seed)
        raise InputError(f"{path}: no such file; make it: {_command(study, run, seed)}")
    return metrics


def require_samples(study: Study, run: str, seed: int) -> list[Sample]:
    """Return the sample images of one run and seed. Raises InputError for a missing or damaged file."""
    path, command = paths.samples_file(study.name, run, seed), _command(study, run, seed)
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it: {command}")
    hint = f"evaluate again: {command}"
    arrays = read_archive(path, hint)
    try:
        samples = _samples(arrays)
        for sample in samples:
            _check_sample(sample, len(study.data_of(run).labels.classes))
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged ({error}); {hint}") from None
    return samples


def _samples(arrays: Mapping[str, np.ndarray]) -> list[Sample]:
    names = arrays["names"]
    if names.dtype.kind != "U" or names.ndim != 1 or not len(names):
        raise ValueError("holds no sample")
    return [
        Sample(
            name=name,
            image=arrays[f"image_{index}"],
            label=arrays[f"label_{index}"],
            prediction=arrays[f"prediction_{index}"],
            balance=arrays.get(f"balance_{index}"),
        )
        for index, name in enumerate(names.tolist())
    ]


def _expected(study: Study, run: str, seed: int) -> dict[str, object]:
    data = study.data_of(run)
    own = {"study": study.name, "run": run, "seed": seed, "dataset": data.dataset, "split": data.evaluate}
    return {**own, "classes": data.labels.classes, "width": study.settings.width}


def _check_metrics(metrics: Metrics, study: Study, scales: Scales) -> None:
    evaluation = study.evaluation(scales)
    require_equal(metrics.training, vars(study.training_of(metrics.run)), "training")
    require_equal(metrics.evaluation, vars(evaluation), "evaluation")
    if tuple(metrics.iou) != metrics.classes:
        raise refuse("must hold one value for each class", "iou")
    size = len(metrics.classes)
    if [len(row) for row in metrics.confusion_matrix] != [size] * size:
        raise refuse(f"must have {size} rows and columns", "confusion_matrix")
    if min(count for row in metrics.confusion_matrix for count in row) < 0:
        raise refuse("must hold pixel counts, from 0 up", "confusion_matrix")
    rates = {"miou": metrics.miou, "f_miou": metrics.f_miou, **metrics.iou}
    if evaluation.also_mirrored:
        if metrics.mirrored is None:
            raise refuse("is missing, though the study asks for it", "mirrored")
        rates |= {"mirrored.miou": metrics.mirrored.miou, "mirrored.f_miou": metrics.mirrored.f_miou}
    for key, value in rates.items():
        if value is not None and not 0 <= value <= 1:
            raise refuse(f"must be a fraction of 1, not {value}", key)


def _check_sample(sample: Sample, classes: int) -> None:
    if not is_file_name(sample.name):
        raise ValueError(f"{sample.name!r} is not an image name")
    if {sample.image.dtype, sample.label.dtype, sample.prediction.dtype} != {np.dtype(np.uint8)}:
        raise ValueError(f"{sample.name}: image, label and prediction must be uint8")
    if sample.label.ndim != 2 or not sample.label.size:
        raise ValueError(f"{sample.name}: the label must be (H, W)")
    if sample.image.shape != (*sample.label.shape, 3) or sample.prediction.shape != sample.label.shape:
        raise ValueError(f"{sample.name}: image, label and prediction differ in size")
    if sample.prediction.max() >= classes or sample.label[sample.label != IGNORE_INDEX].max(initial=0) >= classes:
        raise ValueError(f"{sample.name}: holds ids of no class")
    balance = sample.balance
    if balance is not None and (balance.ndim != 2 or not balance.size or balance.dtype != np.float32):
        raise ValueError(f"{sample.name}: the map of X_o must be 2-D float32")
    if balance is not None and not np.isfinite(balance).all():
        raise ValueError(f"{sample.name}: the map of X_o must be finite")


def _command(study: Study, run: str, seed: int, scales: Scales = "single_scale") -> str:
    option = " --multi-scale" if scales == "multi_scale" else ""
    return f"fbnet evaluate{option} --study {study.name} --run {run} --seed {seed}"
