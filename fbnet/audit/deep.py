"""A sample of the evaluation run again: are the kept predictions those of the checkpoint?"""

import platform
from importlib import metadata

import numpy as np
import torch
from tqdm import tqdm

from fbnet import paths
from fbnet.audit.chain import Records
from fbnet.audit.findings import Break, Check
from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.data.packed import PackedSplit, open_split
from fbnet.errors import InputError
from fbnet.evaluation.evaluate import load_run
from fbnet.evaluation.predictor import predict_labels
from fbnet.provenance.graph import Node, Result, of_run
from fbnet.report.results import Sample, require_samples
from fbnet.runtime.device import choose_device

TOLERANCE = 0.001
"""The share of an image's pixels that may be predicted otherwise on another machine, device or version of torch, where
sums are rounded otherwise; none on the same."""


def predictions(study: Study, results: dict[Result, Node], found: Records) -> Check:
    """Predicts the kept sample images of every single-scale evaluation again, and compares with what was kept.

    Of an evaluation, checkpoint, samples and prepared data must be here. No more images are predicted than were kept:
    `evaluation.samples` for each run and seed. They are the prepared data's own, which is checked as well.
    """
    planned = [
        (run, seed)
        for run in study.runs.values()
        for seed in study.settings.seeds
        if of_run("evaluate", run.id, seed) in results
    ]
    here = [(run, seed) for run, seed in planned if _is_here(study, run, seed)]
    breaks, notes = [], []
    for run, seed in tqdm(here, desc="predict again", unit="run", disable=None):
        record = found.get(of_run("evaluate", run.id, seed))
        environment = {} if record is None else record.environment
        device = _device(environment)
        others = _others(environment, device)
        if others:
            notes.append(f"{' and '.join(others)}: up to {TOLERANCE:.1%} of pixels may be predicted otherwise")
        settings = study.evaluation_of(run.id, "single_scale")
        # In what was computed then, whatever `auto` is here.
        precision = environment.get("precision", settings.precision)
        settings = settings.model_copy(update={"precision": precision})
        breaks += _run_breaks(study, run, seed, settings, device, TOLERANCE if others else 0)
    return Check(
        what="evaluations predicted again",
        checked=len(here),
        not_here=len(planned) - len(here),
        breaks=tuple(breaks),
        notes=tuple(dict.fromkeys(notes)),
    )


def _is_here(study: Study, run: RunConfig, seed: int) -> bool:
    of_this = (paths.checkpoint_file(study.name, run.id, seed), paths.samples_file(study.name, run.id, seed))
    return all(path.is_file() for path in [*of_this, *study.data_of(run.id).prepared_files])


def _device(environment: dict) -> torch.device:
    """A device of the kind that was recorded where there is one, with as many threads: sums depend on both."""
    if "threads" in environment:
        torch.set_num_threads(environment["threads"])
    return choose_device("cpu" if environment.get("device") == "cpu" else "auto")


def _others(environment: dict, device: torch.device) -> list[str]:
    """In words, what is another than when the predictions were made."""
    now = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": metadata.version("torch"),
        "host": platform.node(),
    }
    return [
        f"{key} is {value}, was {environment.get(key, 'not recorded')}"
        for key, value in now.items()
        if environment.get(key) != value
    ]


def _run_breaks(
    study: Study, run: RunConfig, seed: int, settings: EvaluationConfig, device: torch.device, tolerance: float
) -> list[Break]:
    place = paths.samples_file(study.name, run.id, seed)
    try:
        network, _ = load_run(study, run, seed)
        samples = require_samples(study, run.id, seed)
        data = study.data_of(run.id)
        split = open_split(data, data.evaluate)
    except InputError as error:
        return [Break.of_error(place, error)]
    network.to(device, memory_format=torch.channels_last)
    breaks = []
    for sample in samples:
        if not _is_of(split, sample):
            breaks.append(Break(f"{place}: {sample.name}", "image or label are not those of the prepared data"))
        other = predict_labels(network, sample.image, settings, device) != sample.prediction
        if other.mean() > tolerance:
            problem = f"{other.sum()} of {other.size} pixels are predicted otherwise by the checkpoint"
            breaks.append(Break(f"{place}: {sample.name}", problem))
    return breaks


def _is_of(split: PackedSplit, sample: Sample) -> bool:
    if sample.name not in split.names:
        return False
    index = split.names.index(sample.name)
    return np.array_equal(split.image(index), sample.image) and np.array_equal(split.labels(index), sample.label)
