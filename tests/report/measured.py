"""Made-up measurements of feature camouflage."""

import json

import numpy as np
import yaml

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_study

BASELINE, RUN = "fcn_r50", "fcn_r50_fbnet"
MEASURED = ["linear_probe", "intensity", "size_and_distance"]
BANDS = SIZES = 6


def measured_study():
    """The study `trio`, with a pair and all figures of feature camouflage."""
    path = paths.study_file("trio")
    pair = {"figure_runs": {"baseline": BASELINE, "fbnet": RUN}}
    path.write_text(
        yaml.safe_dump(yaml.safe_load(path.read_text()) | {"figures": [*MEASURED, "confusion_change"]} | pair)
    )
    return load_study("trio")


def write(study, run, seed, /, **changes):
    """Measurements of a run and seed; all probes are at chance, all predictions are right."""
    size = len(CITYSCAPES.classes)
    kinds = {"original": [[2.0, 1.0], [3.0, 1.0]]} | ({"modulated": [[4.0, 1.0]] * 2} if run == RUN else {})
    content = {
        "study": study.name,
        "run": run,
        "seed": seed,
        "classes": list(CITYSCAPES.classes),
        "foreground": list(CITYSCAPES.foreground),
        "probe": {stage: dict.fromkeys(["foreground", *CITYSCAPES.foreground], 0.5) for stage in ("res4", "res5")},
        "intensity": {"res4": {"original": [[1.0, 1.0]] * 2}, "res5": kinds},
        "distances": [2, 4, 8, 16, 32],
        "confusion_by_distance": [np.eye(size, dtype=int).tolist()] * BANDS,
        "areas": [100, 400, 1600, 6400],
        "counts_by_size": {
            "true_positives": [[1] * size] * SIZES,
            "false_negatives": [[0] * size] * SIZES,
            "false_positives": [[0] * size] * SIZES,
        },
    }
    path = paths.camouflage_file(study.name, run, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | changes))
    return path
