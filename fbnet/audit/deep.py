"""Repeat a sample of the evaluation: the kept predictions must be those of the checkpoint."""

import platform
from importlib import metadata

import numpy as np
import torch
from tqdm import tqdm

from fbnet import paths
from fbnet.audit.chain import Records, runs_with
from fbnet.audit.findings import Check, Failure
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
"""Share of an image's pixels that may differ on another machine, device or torch version, where sums round differently;
on the same, none may."""


def predictions(study: Study, results: dict[Result, Node], found: Records) -> Check:
    """Predict the kept sample images of every single-scale evaluation again and compare.

    Also checks that the samples are images of the prepared data. Checkpoint, samples and prepared data must be on this
    machine.

    Args:
        study: the study.
        results: the results that it needs.
        found: existing records, see `chain.read_records`.
    """
    planned = [(study.run(run), seed) for run, seed in runs_with(study, "evaluate", results)]
    here = [(run, seed) for run, seed in planned if _is_here(study, run, seed)]
    failures, notes = [], []
    for run, seed in tqdm(here, desc="predict again", unit="run", disable=None):
        record = found.get(of_run("evaluate", run.id, seed))
        environment = {} if record is None else record.environment
        device = _device(environment)
        changes = _environment_changes(environment, device)
        if changes:
            notes.append(f"{' and '.join(changes)}: up to {TOLERANCE:.1%} of pixels may differ")
        settings = study.evaluation_of(run.id, "single_scale")
        # The recorded precision, whatever `auto` means on this machine.
        precision = environment.get("precision", settings.precision)
        settings = settings.model_copy(update={"precision": precision})
        failures += _check_run(study, run, seed, settings, device, TOLERANCE if changes else 0)
    not_here = len(planned) - len(here)
    return Check("evaluations predicted again", len(here), not_here, tuple(failures), tuple(dict.fromkeys(notes)))


def _is_here(study: Study, run: RunConfig, seed: int) -> bool:
    results = (paths.checkpoint_file(study.name, run.id, seed), paths.samples_file(study.name, run.id, seed))
    data = study.data_of(run.id)
    return all(path.is_file() for path in [*results, *data.prepared_files(data.evaluate)])


def _device(environment: dict) -> torch.device:
    """The recorded kind of device if there is one, with the recorded number of threads; sums depend on both."""
    if "threads" in environment:
        torch.set_num_threads(environment["threads"])
    return choose_device("cpu" if environment.get("device") == "cpu" else "auto")


def _environment_changes(environment: dict, device: torch.device) -> list[str]:
    """Phrases for what has changed since the predictions were made."""
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


def _check_run(
    study: Study, run: RunConfig, seed: int, settings: EvaluationConfig, device: torch.device, tolerance: float
) -> list[Failure]:
    path = paths.samples_file(study.name, run.id, seed)
    data = study.data_of(run.id)
    try:
        network, _ = load_run(study, run, seed)
        samples = require_samples(study, run.id, seed)
        split = open_split(data, data.evaluate)
    except InputError as error:
        return [Failure.from_error(path, error)]
    network.to(device, memory_format=torch.channels_last)
    failures = []
    for sample in samples:
        if not _is_in(split, sample):
            failures.append(Failure(f"{path}: {sample.name}", "image or label differ from the prepared data"))
        wrong = predict_labels(network, sample.image, settings, device) != sample.prediction
        if wrong.mean() > tolerance:
            problem = f"{wrong.sum()} of {wrong.size} pixels differ from the checkpoint's prediction"
            failures.append(Failure(f"{path}: {sample.name}", problem))
    return failures


def _is_in(split: PackedSplit, sample: Sample) -> bool:
    if sample.name not in split.names:
        return False
    index = split.names.index(sample.name)
    return np.array_equal(split.image(index), sample.image) and np.array_equal(split.labels(index), sample.label)
