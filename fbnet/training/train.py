"""One training of a run of a study with one seed (Secs. 3.3 and 4.1)."""

import logging
from functools import partial
from pathlib import Path

import torch

from fbnet import paths
from fbnet.config.labels import LabelSpec
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.config.training import Precision, TrainingConfig
from fbnet.data.centroids import open_centroids, pool_centroids
from fbnet.data.packed import concat, open_split
from fbnet.data.sampler import TrainingSamples
from fbnet.errors import InputError
from fbnet.models import checkpoint
from fbnet.models.build import SegmentationNetwork, build
from fbnet.models.pretrained import load_initial_weights, load_parent
from fbnet.models.weight_files import verified
from fbnet.runtime.determinism import deterministic_algorithms
from fbnet.runtime.distributed import launched, rank, run_processes
from fbnet.runtime.memory import within_memory
from fbnet.runtime.precision import resolve
from fbnet.training.objective import compute_loss
from fbnet.training.resume import ResumeState
from fbnet.training.trainer import Trainer

logger = logging.getLogger(__name__)


def train(
    study: Study,
    run: RunConfig,
    seed: int,
    device: torch.device,
    *,
    precision: Precision = "auto",
    workers: int = 0,
    gpus: int = 1,
    state: ResumeState | None = None,
    scratch: Path | None = None,
) -> None:
    """Train a run and write its checkpoint and history.

    Args:
        study, run, seed: what to train.
        device: `cpu` or `cuda`.
        precision: what to compute in if the study leaves it open.
        workers: loader processes of each training process; they do not change the result.
        gpus: number of training processes, which share every batch; on `cuda` each has its GPU.
        state: where progress is resumed from and saved to; None starts from the beginning and saves nothing.
        scratch: folder on this machine's own disk to copy prepared data to; None reads them where they are.

    Raises:
        InputError: if the prepared data do not fit the study, initial weights or the parent run's checkpoint are
            missing or do not fit, the loss is not finite, or another process took the training over; earlier results
            stay.
        Interrupted: if a signal stopped the training; its progress is saved.
    """
    _check_batch(study, run, gpus)
    if state is not None and launched().rank == 0:
        state.claim()
    run_processes(gpus, device, partial(_train, study, run, seed, precision, workers, state, scratch))


def open_samples(study: Study, run: RunConfig, seed: int, scratch: Path | None = None) -> TrainingSamples:
    """Training samples of a run: its fine images, and coarse ones if some classes are drawn from these.

    Raises:
        InputError: if prepared data or centroids are missing or do not fit the study.
    """
    data, training, names = study.data_of(run.id), study.training_of(run.id), study.training_splits(run.id)
    splits = [open_split(data, name, scratch) for name in names]
    counts = [len(split) for split in splits]
    if training.class_uniform is None:
        return TrainingSamples(concat(splits), training, seed)
    tile, coarse = training.class_uniform.tile, ()
    fine = [open_centroids(data, name, tile[run.data], split) for name, split in zip(names, splits, strict=True)]
    if run.coarse_classes:
        role = "cityscapes_coarse"
        extra = study.role(role)
        splits.append(open_split(extra, extra.train, scratch))
        boosted = [data.labels.classes.index(name) for name in run.coarse_classes]
        coarse = open_centroids(extra, extra.train, tile[role], splits[-1]), boosted
    return TrainingSamples(concat(splits), training, seed, pool_centroids(fine, counts, *coarse), sum(counts))


def _train(
    study: Study,
    run: RunConfig,
    seed: int,
    precision: Precision,
    workers: int,
    state: ResumeState | None,
    scratch: Path | None,
    device: torch.device,
) -> None:
    """Train in one process; rank 0 writes the results."""
    declared, data = study.training_of(run.id), study.data_of(run.id)
    config = resolve(declared, precision, device)
    label = f"{run.id} seed {seed}"
    torch.manual_seed(seed)
    network = build(run, data.labels, width=study.settings.width)
    _load_weights(network, study, run, seed)
    network.to(device, memory_format=torch.channels_last)
    torch.manual_seed(seed + rank())  # dropout differs between ranks
    samples = open_samples(study, run, seed, scratch)
    if rank() == 0:
        _log_recipe(config, samples, data.labels, device, label)
    objective = partial(compute_loss, run=run, spec=data.labels, training=config)
    hint = "lower training.batch_size or training.crop, or use more GPUs"
    with deterministic_algorithms(config.deterministic), within_memory(label, device, hint):
        trainer = Trainer(network, samples, config, objective, device, label, state)
        history = trainer.fit(workers)
    if rank() == 0:
        saved = checkpoint.CheckpointConfig(
            study=study.name,
            run=run,
            seed=seed,
            dataset=data.dataset,
            label_set=data.entry.label_set,
            width=study.settings.width,
            training=declared,
            iterations=trainer.iterations,
            torch_version=str(torch.__version__),
            device=device.type,
            precision=config.precision,
        )
        history.write(paths.history_file(study.name, run.id, seed))
        checkpoint.save(paths.checkpoint_file(study.name, run.id, seed), network, saved)


def _load_weights(network: SegmentationNetwork, study: Study, run: RunConfig, seed: int) -> None:
    """Load the parent run's weights or ImageNet weights, if the run has them."""
    entry = study.initial_weights(run.id)
    if run.start is not None:
        load_parent(network, paths.checkpoint_file(study.name, run.start, seed))
    elif entry is not None:
        load_initial_weights(network.backbone, verified(entry))


def _check_batch(study: Study, run: RunConfig, gpus: int) -> None:
    batch_size, splits = study.training_of(run.id).batch_size, study.training_splits(run.id)
    key = f"{paths.study_file(study.name)}: training.batch_size: {batch_size} images a batch"
    images = sum(len(open_split(study.data_of(run.id), split)) for split in splits)
    if images < batch_size:
        raise InputError(f"{key}, but split {' and '.join(map(repr, splits))} has {images}; lower it")
    if batch_size % gpus:
        raise InputError(f"{key} cannot be shared by {gpus} GPUs; choose a divisor with --gpus")


def _log_recipe(
    config: TrainingConfig, samples: TrainingSamples, spec: LabelSpec, device: torch.device, label: str
) -> None:
    """Log precision, recipe and the classes that class-uniform sampling cannot draw."""
    words = "; ".join(config.recipe) or "plain cross-entropy, shuffled images, no photometric augmentation"
    if config.class_uniform is not None:
        absent = [name for train_id, name in enumerate(spec.classes) if train_id not in samples.classes]
        words += f"; classes absent from the data: {', '.join(absent)}" if absent else ""
    logger.info(f"{label}: training in {config.precision} on {device.type} with {words}")
