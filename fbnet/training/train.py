"""Trains one run of a study with one seed (Secs. 3.3 and 4.1)."""

import sys
from dataclasses import dataclass

import torch

from fbnet import paths
from fbnet.config.labels import LabelSpec
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.data.centroids import open_centroids, pool_centroids
from fbnet.data.packed import concat, open_split
from fbnet.data.sampler import TrainingSamples
from fbnet.errors import InputError
from fbnet.models import checkpoint
from fbnet.models.build import SegmentationNetwork, build
from fbnet.models.pretrained import load_initial_weights, load_parent
from fbnet.models.weight_files import verified
from fbnet.runtime.determinism import deterministic_algorithms
from fbnet.runtime.distributed import rank, run_processes
from fbnet.runtime.memory import within_memory
from fbnet.runtime.precision import choose_precision
from fbnet.training.resume import TrainingState
from fbnet.training.trainer import Loop


@dataclass(frozen=True)
class Training:
    """One training of a run; what each of its processes is given."""

    study: Study
    run: RunConfig
    seed: int
    workers: int
    state: TrainingState | None

    def __call__(self, device: torch.device) -> None:
        """Trains on a device, and in the first process writes the results."""
        study, run = self.study, self.run
        training, labels = study.training_of(run.id), study.data_of(run.id).labels
        place = f"{run.id} seed {self.seed}"
        torch.manual_seed(self.seed)
        network = build(run, labels, width=study.settings.width)
        _initialise(network, study, run, self.seed)
        network.to(device, memory_format=torch.channels_last)
        # Dropout draws differently in each process.
        torch.manual_seed(self.seed + rank())
        samples = open_samples(study, run, self.seed)
        if rank() == 0:
            _log_recipe(samples, labels, device, place)
        hint = "lower training.batch_size or training.crop, or share the batch out to more GPUs"
        with deterministic_algorithms(training.deterministic), within_memory(place, device, hint):
            history = Loop(network, samples, run, labels, device, place, self.state)(self.workers)
        if rank() == 0:
            config = checkpoint.CheckpointConfig(
                study=study.name,
                run=run,
                seed=self.seed,
                dataset=study.data_of(run.id).dataset,
                width=study.settings.width,
                training=training,
                iterations=samples.iterations,
                torch_version=str(torch.__version__),
            )
            history.write(paths.history_file(study.name, run.id, self.seed))
            checkpoint.save(paths.checkpoint_file(study.name, run.id, self.seed), network, config)


def train(
    study: Study,
    run: RunConfig,
    seed: int,
    device: torch.device,
    *,
    workers: int = 0,
    gpus: int = 1,
    state: TrainingState | None = None,
) -> None:
    """Trains a run and writes its checkpoint and history.

    Args:
        study: the study.
        run: one of its runs.
        seed: one of its seeds.
        device: `cpu` or `cuda`.
        workers: loader processes of each training process; they do not change the result.
        gpus: how many share out every batch; on `cpu`, as many processes do.
        state: what it goes on from, and keeps for the next time; None begins at the beginning and keeps nothing.

    Raises:
        InputError: if the prepared data do not fit the study, what the run starts from is missing or does not fit it,
            the loss is not finite, or another process has taken the training over; earlier results stay.
        Interrupted: when a signal asked it to stop; what was done is in the state.
    """
    _check_batch(study, run, gpus)
    if state is not None:
        state.claim()
    run_processes(gpus, device, Training(study, run, seed, workers, state))


def open_samples(study: Study, run: RunConfig, seed: int) -> TrainingSamples:
    """A run's training samples: its fine images, and where it has coarse classes the coarse ones for these.

    Raises:
        InputError: if prepared data or centroids are missing or do not fit the study.
    """
    data, training = study.data_of(run.id), study.training_of(run.id)
    fine = {split: open_split(data, split) for split in study.training_splits(run.id)}
    if training.class_uniform is None:
        return TrainingSamples(concat(fine.values()), training, seed)
    tile = training.class_uniform.tile
    centroids = [open_centroids(data, split, tile[run.data], packed) for split, packed in fine.items()]
    counts = [len(packed) for packed in fine.values()]
    if not run.coarse_classes:
        return TrainingSamples(concat(fine.values()), training, seed, pool_centroids(centroids, counts))
    role = "cityscapes_coarse"
    extra = study.role(role)
    coarse = open_split(extra, extra.train)
    boosted = [data.labels.classes.index(name) for name in run.coarse_classes]
    pool = pool_centroids(centroids, counts, open_centroids(extra, extra.train, tile[role], coarse), boosted)
    return TrainingSamples(concat([*fine.values(), coarse]), training, seed, pool, num_uniform=sum(counts))


def _initialise(network: SegmentationNetwork, study: Study, run: RunConfig, seed: int) -> None:
    """Starts from the run that it continues, or from ImageNet weights, or leaves the random weights."""
    entry = study.initial_weights(run.id)
    if run.start is not None:
        load_parent(network, paths.checkpoint_file(study.name, run.start, seed))
    elif entry is not None:
        load_initial_weights(network.backbone, verified(entry))


def _check_batch(study: Study, run: RunConfig, gpus: int) -> None:
    file, batch_size = paths.study_file(study.name), study.training_of(run.id).batch_size
    images = sum(len(open_split(study.data_of(run.id), split)) for split in study.training_splits(run.id))
    if images < batch_size:
        splits = " and ".join(repr(split) for split in study.training_splits(run.id))
        raise InputError(
            f"{file}: training.batch_size: {batch_size} images a batch, but split {splits} has {images}; lower it"
        )
    if batch_size % gpus:
        raise InputError(
            f"{file}: training.batch_size: {batch_size} images a batch cannot be shared out to {gpus} GPUs; "
            "take another number of GPUs"
        )


def _log_recipe(samples: TrainingSamples, spec: LabelSpec, device: torch.device, place: str) -> None:
    """Says in a line what the network computes in, what of the training is switched on, and which classes no crop can
    be centred on."""
    computed = choose_precision(samples.training.precision, device)
    words = "; ".join(samples.training.recipe) or "plain cross-entropy, shuffled images, no change of colours"
    if samples.training.class_uniform is not None:
        absent = [name for train_id, name in enumerate(spec.classes) if train_id not in samples.classes]
        words += f"; never drawn by class, as absent from the data: {', '.join(absent)}" if absent else ""
    print(f"{place}: trains in {computed} on {device.type} with {words}", file=sys.stderr, flush=True)
