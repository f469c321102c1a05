"""Evaluation of a trained run: one confusion matrix over the whole split, and a few samples for the figures."""

import numpy as np
import torch
from tqdm import tqdm

from fbnet import paths
from fbnet.config.evaluation import Scales
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.config.training import Precision
from fbnet.data.packed import PackedSplit, open_split
from fbnet.errors import InputError
from fbnet.evaluation.metrics import confusion_matrix, scores
from fbnet.evaluation.predictor import balance_map, predict_labels, predict_plain_and_mirrored
from fbnet.io.files import write_json, write_whole
from fbnet.models import checkpoint
from fbnet.models.build import SegmentationNetwork
from fbnet.models.flops import count
from fbnet.runtime.precision import resolve


def evaluate(
    study: Study,
    run: RunConfig,
    seed: int,
    device: torch.device,
    *,
    scales: Scales = "single_scale",
    precision: Precision = "auto",
) -> None:
    """Evaluate a run's checkpoint on its evaluation split, at a single scale or at those of the study.

    NOTE the paper says "without flipping" for Table 6 alone, and codes of its family mirror at a single scale too: with
    `also_mirrored`, the scores of both are kept.

    Writes the metrics file of these scales and, at a single scale, samples.npz.

    Args:
        study, run, seed: what to evaluate.
        device: `cpu` or `cuda`.
        scales: the study's single scale or its several.
        precision: what to compute in if the study leaves it open.

    Raises:
        InputError: if the run has no evaluation images, or if the checkpoint or the prepared data are missing or do not
            match the study.
    """
    declared = study.evaluation_of(run.id, scales)
    settings = resolve(declared, precision, device)
    network, config = load_run(study, run, seed)
    network.to(device, memory_format=torch.channels_last)
    data = study.data_of(run.id)
    split, labels = open_split(data, data.evaluate), data.labels
    sampled = sample_indices(len(split), settings.samples) if scales == "single_scale" else []
    confusion, mirrored_confusion = np.zeros((2, len(labels.classes), len(labels.classes)), dtype=np.int64)
    samples = {"names": np.array([split.names[index] for index in sampled])}
    for index in tqdm(range(len(split)), desc=f"evaluate {run.id} seed {seed}", unit="image", disable=None):
        image, label = split.image(index), split.labels(index)
        if settings.also_mirrored:
            prediction, mirrored = predict_plain_and_mirrored(network, image, settings, device)
            mirrored_confusion += confusion_matrix(label, mirrored, len(labels.classes))
        else:
            prediction = predict_labels(network, image, settings, device)
        confusion += confusion_matrix(label, prediction, len(labels.classes))
        if index in sampled:
            balance = balance_map(network, image, device, settings.precision)
            arrays = {"image": image, "label": label, "prediction": prediction, "balance": balance}
            position = sampled.index(index)
            samples |= {f"{kind}_{position}": array for kind, array in arrays.items() if array is not None}

    gflops, parameters = count(run, labels, width=config.width)
    content = {
        **heading(study, run, seed, split),
        **scores(confusion, labels),
        **({"mirrored": scores(mirrored_confusion, labels)} if settings.also_mirrored else {}),
        "gflops": round(gflops, 6),
        "parameters": parameters,
        "iterations": config.iterations,
        "evaluation": declared.model_dump(),
        "training": config.training.model_dump(),
        "width": config.width,
        "device": device.type,
        "precision": settings.precision,
        "torch_version": str(torch.__version__),
        "trained": config.model_dump(include={"device", "precision", "torch_version"}),
    }
    if scales == "single_scale":
        write_whole(paths.samples_file(study.name, run.id, seed), lambda file: np.savez_compressed(file, **samples))
    write_json(paths.metrics_file(study.name, run.id, seed, scales), content)


def heading(study: Study, run: RunConfig, seed: int, evaluated: PackedSplit) -> dict:
    """Return the first fields of a file of numbers: what they belong to."""
    data = study.data_of(run.id)
    return {
        "study": study.name,
        "run": run.id,
        "seed": seed,
        "dataset": data.dataset,
        "split": data.evaluate,
        "images": len(evaluated),
    }


def sample_indices(images: int, samples: int) -> list[int]:
    """Indices of evenly spaced images of a split, first and last included."""
    return sorted({round(index) for index in np.linspace(0, images - 1, samples)})


def load_run(study: Study, run: RunConfig, seed: int) -> tuple[SegmentationNetwork, checkpoint.CheckpointConfig]:
    """Load a run's trained network and the configuration in its checkpoint.

    Raises:
        InputError: if the checkpoint is missing, damaged, or trained with parameters other than the study's.
    """
    path = paths.checkpoint_file(study.name, run.id, seed)
    network, config = checkpoint.load(path)
    data = study.data_of(run.id)
    declared = (run.training_key, data.dataset, study.settings.width, study.training_of(run.id))
    found = (config.run.training_key, config.dataset, config.width, config.training)
    declared += (data.labels.classes, data.labels.foreground if run.balance.stages else None)
    found += (config.labels.classes, config.labels.foreground if run.balance.stages else None)
    if found != declared:
        raise InputError(f"{path}: trained with parameters other than the study's; train this run again")
    return network, config
