"""Measurements of feature camouflage in a trained run, on its evaluation split.

NOTE not in the paper, whose claim (Sec. 1) they put into numbers: the foreground drowns in deep features, and FBNet
brings it back.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import interpolate
from tqdm import tqdm

from fbnet import paths
from fbnet.config.labels import IGNORE_INDEX, LabelSpec
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.config.training import Precision
from fbnet.data.packed import PackedSplit, open_split
from fbnet.errors import InputError
from fbnet.evaluation import breakdown, probe
from fbnet.evaluation.evaluate import heading, load_run, sample_indices
from fbnet.evaluation.predictor import predict_labels
from fbnet.evaluation.stage_features import StageFeatures, stage_features
from fbnet.io.files import write_json
from fbnet.runtime.memory import within_memory
from fbnet.runtime.precision import resolve

IMAGES = 100
"""Largest number of evenly spaced images of a split whose features are looked at."""
BLOCKS = 300
"""Largest number of blocks of each training image that a probe is fitted to."""

Predict = Callable[[np.ndarray], np.ndarray]
FeaturesOf = Callable[[np.ndarray], list[StageFeatures]]


def measure(study: Study, run: RunConfig, seed: int, device: torch.device, *, precision: Precision = "auto") -> None:
    """Measure a run's checkpoint and write `camouflage.json`.

    Holds, in pixels of the evaluation split: for each stage the areas under the ROC curve of a linear probe that was
    fitted to training images, and for each image the mean magnitude of features on foreground and on background;
    confusion by distance to the boundary; and counts by the size of objects.

    Args:
        study, run, seed: what to measure.
        device: `cpu` or `cuda`.
        precision: what to compute in if the study leaves it open.

    Raises:
        InputError: if the run has no evaluation images, a split has no foreground or no background, or if the
            checkpoint or the prepared data are missing or do not match the study.
    """
    settings = resolve(study.evaluation_of(run.id, "single_scale"), precision, device)
    network, _ = load_run(study, run, seed)
    network.to(device, memory_format=torch.channels_last)
    data, label = study.data_of(run.id), f"{run.id} seed {seed}"
    training, evaluated = open_split(data, data.train), open_split(data, data.evaluate)
    predict = partial(predict_labels, network, settings=settings, device=device)
    features_of = partial(stage_features, network, device=device, precision=settings.precision)
    with within_memory(label, device, "use a GPU with more memory"):
        with threadpool_limits(settings.threads):  # the last bits of numpy's products depend on it
            probes = _fit_probes(training, data.labels, features_of, label)
        errors = _break_down(evaluated, data.labels, predict, label)
        features = _compare_features(evaluated, data.labels, features_of, probes, label)
    content = {
        **heading(study, run, seed, evaluated),
        "classes": data.labels.classes,
        "foreground": data.labels.foreground,
        **features,
        **errors,
        "device": device.type,
        "precision": settings.precision,
        "torch_version": str(torch.__version__),
    }
    write_json(paths.camouflage_file(study.name, run.id, seed), content)


def _break_down(split: PackedSplit, spec: LabelSpec, predict: Predict, label: str) -> dict:
    """Confusion by distance and counts by size, over a whole split."""
    confusion, counts = 0, 0
    for index in tqdm(range(len(split)), desc=f"predict {label}", unit="image", disable=None):
        labels, predictions = split.labels(index), predict(split.image(index))
        confusion = confusion + breakdown.confusion_by_distance(labels, predictions, spec)
        counts = counts + breakdown.counts_by_size(labels, predictions, spec)
    return {
        "distances": breakdown.DISTANCES,
        "confusion_by_distance": confusion.tolist(),
        "areas": breakdown.AREAS,
        "counts_by_size": dict(zip(breakdown.COUNTS, counts.tolist(), strict=True)),
    }


def _compare_features(
    split: PackedSplit, spec: LabelSpec, features_of: FeaturesOf, probes: dict[str, probe.LinearProbe], label: str
) -> dict:
    """Areas of the probes and intensity, over some images of a split."""
    ranks, intensity = _Ranks(spec), _Intensity(spec.foreground_ids)
    for index in tqdm(sample_indices(len(split), IMAGES), desc=f"measure {label}", unit="image", disable=None):
        labels = split.labels(index)
        for features in features_of(split.image(index)):
            ranks.add(features, probes[features.stage], labels)
            intensity.add(features, labels)
    return {"probe": ranks.areas(), "intensity": intensity.images}


class _Ranks:
    """Scores of linear probes on the pixels of each class, by stage."""

    def __init__(self, spec: LabelSpec) -> None:
        self.spec = spec
        self.counts: defaultdict[str, np.ndarray] = defaultdict(lambda: np.int64(0))

    def add(self, features: StageFeatures, linear: probe.LinearProbe, labels: np.ndarray) -> None:
        """Count the scores of an image, resized as a head resizes its logits."""
        values = features.passed_on[0].float()
        weight = torch.tensor(linear.weight, dtype=torch.float32, device=values.device)
        scores = _on_pixels(torch.tensordot(weight, values, dims=1) + linear.bias, features.stride, labels.shape)
        self.counts[features.stage] += probe.histograms(scores, labels, len(self.spec.classes))

    def areas(self) -> dict[str, dict[str, float | None]]:
        """Area under the ROC curve of all and of each foreground class against the background, by stage."""
        return {stage: self._areas(counts) for stage, counts in self.counts.items()}

    def _areas(self, counts: np.ndarray) -> dict[str, float | None]:
        ids = self.spec.foreground_ids
        background = np.delete(counts, ids, axis=0).sum(axis=0)
        by_class = dict(zip(self.spec.foreground, counts[list(ids)], strict=True))
        positives = {"foreground": counts[list(ids)].sum(axis=0), **by_class}
        areas = {name: probe.area_under_roc(positive, background) for name, positive in positives.items()}
        return {name: None if np.isnan(area) else area for name, area in areas.items()}


class _Intensity:
    """Mean magnitude of features on foreground and background of each image that has both, by stage."""

    def __init__(self, foreground_ids: tuple[int, ...]) -> None:
        self.foreground_ids = foreground_ids
        self.images: defaultdict[str, dict[str, list[tuple[float, float]]]] = defaultdict(dict)

    def add(self, features: StageFeatures, labels: np.ndarray) -> None:
        foreground = np.isin(labels, self.foreground_ids)
        background = (labels != IGNORE_INDEX) & ~foreground
        if not (foreground.any() and background.any()):
            return
        for name in ("original", "modulated"):
            values = getattr(features, name)
            if values is not None:
                magnitude = _on_pixels(values[0].float().abs().mean(dim=0), features.stride, labels.shape)
                means = float(magnitude[foreground].mean()), float(magnitude[background].mean())
                self.images[features.stage].setdefault(name, []).append(means)


def _fit_probes(
    split: PackedSplit, spec: LabelSpec, features_of: FeaturesOf, label: str
) -> dict[str, probe.LinearProbe]:
    """Fit a linear probe to each stage's features of random blocks of training images."""
    features, shares = defaultdict(list), defaultdict(list)
    chosen = sample_indices(len(split), IMAGES)
    for index in tqdm(chosen, desc=f"probe {label}", unit="image", disable=None):
        generator = np.random.default_rng(index)
        labels = split.labels(index)
        for stage in features_of(split.image(index)):
            size = stage.passed_on.shape[-2:]
            share = foreground_shares(labels, spec.foreground_ids, size, stage.stride)
            known = np.flatnonzero(~np.isnan(share))
            blocks = generator.permutation(known)[:BLOCKS]
            features[stage.stage].append(stage.passed_on[0].flatten(1)[:, blocks].float().T.cpu().numpy())
            shares[stage.stage].append(share.ravel()[blocks])
    if not 0 < np.concatenate(shares["res2"]).mean() < 1:
        raise InputError(f"{label}: the training images have no foreground, or no background; no probe can be fitted")
    return {name: probe.fit(np.concatenate(features[name]), np.concatenate(shares[name])) for name in features}


def foreground_shares(
    labels: np.ndarray, foreground_ids: tuple[int, ...], size: tuple[int, int], stride: int
) -> np.ndarray:
    """Share of foreground among the labelled pixels of each block, (h, w) float64; NaN in blocks without any.

    Args:
        labels: (H, W) uint8 train ids, 255 where ignored.
        foreground_ids: train ids of the foreground.
        size: (h, w), blocks along both sides, which may reach beyond the image below and at the right.
        stride: pixels along one side of a block.
    """
    padded = np.full((size[0] * stride, size[1] * stride), IGNORE_INDEX)
    padded[: labels.shape[0], : labels.shape[1]] = labels
    blocks = padded.reshape(size[0], stride, size[1], stride)
    labelled = (blocks != IGNORE_INDEX).sum(axis=(1, 3))
    foreground = np.isin(blocks, foreground_ids).sum(axis=(1, 3))
    return np.divide(foreground, labelled, out=np.full(size, np.nan), where=labelled > 0)


def _on_pixels(values: Tensor, stride: int, size: tuple[int, int]) -> np.ndarray:
    """Values (h, w) of blocks on the pixels (H, W) of an image, which they may reach beyond: bilinear, float32."""
    enlarged = interpolate(values[None, None], scale_factor=stride, mode="bilinear")[0, 0]
    return enlarged[: size[0], : size[1]].cpu().numpy()
