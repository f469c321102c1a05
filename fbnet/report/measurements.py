"""Read the measurements of feature camouflage, and compare those of a study's pair over its seeds."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import model_validator

from fbnet import paths
from fbnet.config.base import Config, Items, Pair, refuse
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.report.pairs import read_pairs
from fbnet.report.reading import read_result
from fbnet.report.statistics import mean_and_half_width


class Counts(Config):
    """Pixels by the size of their object, then by class; the last size is for images without an object."""

    true_positives: Items[Items[int]]
    false_negatives: Items[Items[int]]
    false_positives: Items[Items[int]]


class Measurements(Config, extra="ignore"):
    """The fields of `camouflage.json` that figures use."""

    study: str
    run: str
    seed: int
    classes: Items[str]
    foreground: Items[str]
    probe: dict[str, dict[str, float | None]]
    """Area under the ROC curve of a linear probe, by stage, and then for `foreground` and each of its classes."""
    intensity: dict[str, dict[str, Items[Pair[float]]]]
    """Mean magnitude on foreground and background of each image; by stage, of `original` and `modulated` features."""
    distances: Items[float]
    confusion_by_distance: Items[Items[Items[int]]]
    areas: Items[float]
    counts_by_size: Counts

    @model_validator(mode="after")
    def _check(self) -> Self:
        classes = len(self.classes)
        if np.shape(self.confusion_by_distance) != (len(self.distances) + 1, classes, classes):
            raise refuse(
                "must have a row and a column for each class, and a band more than distances", "confusion_by_distance"
            )
        for name, counts in self.counts_by_size:
            if np.shape(counts) != (len(self.areas) + 2, classes):
                raise refuse(
                    "must have a number for each class, and two sizes more than areas", f"counts_by_size.{name}"
                )
        return self


@dataclass(frozen=True)
class Compared:
    """A number of the baseline and of FBNet with their difference, as means over paired seeds with half intervals."""

    baseline: tuple[float, float | None]
    fbnet: tuple[float, float | None]
    gain: tuple[float, float | None]


@dataclass(frozen=True)
class MeasuredPair:
    """Measurements of the two runs of a study's figures, seed by seed."""

    study: Study
    baseline: tuple[Measurements, ...]
    fbnet: tuple[Measurements, ...]

    @property
    def seeds(self) -> int:
        return len(self.baseline)

    def compare(self, number) -> Compared:
        """Compare a function of the measurements of one run and seed."""
        before, after = ([number(entry) for entry in side] for side in (self.baseline, self.fbnet))
        gains = np.subtract(after, before)
        return Compared(*map(mean_and_half_width, (before, after, gains)))


def require_pair(study: Study) -> MeasuredPair:
    """Read the measurements of the two runs of a study's figures, of the seeds that both have.

    Raises:
        InputError: for a damaged file, and if no seed is measured in both.
    """
    runs = study.figure_runs
    pairs = read_pairs(study, read_measurements)
    if not pairs:
        raise InputError(
            f"{runs.baseline}, {runs.fbnet}: no seed is measured in both yet; measure them: "
            f"fbnet measure --study {study.name} --run RUN --seed SEED"
        )
    return MeasuredPair(study, *zip(*pairs, strict=True))


def read_measurements(study: Study, run: str, seed: int) -> Measurements | None:
    """Return the measurements of one run and seed, None before they are made. Raises InputError for a damaged file."""
    path = paths.camouflage_file(study.name, run, seed)
    expected = {"study": study.name, "run": run, "seed": seed, "classes": study.data.labels.classes}
    remedy = f"measure again: fbnet measure --study {study.name} --run {run} --seed {seed}"
    return read_result(path, Measurements, expected, remedy)
