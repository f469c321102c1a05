"""Trains one run of a study with one seed (Secs. 3.3 and 4.1)."""

import sys
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from fbnet import checkpoint, paths
from fbnet.config import BalanceConfig, RunConfig, Study
from fbnet.data.centroids import open_centroids, pool_centroids
from fbnet.data.joined import Split, join
from fbnet.data.packed import open_split
from fbnet.data.sampling import TrainingSamples, training_batches
from fbnet.data.specs import IGNORE_INDEX, LabelSpec
from fbnet.device import autocast, choose_precision, normalise
from fbnet.distributed import gathered, mean_of, processes, rank, run_processes, synchronised
from fbnet.errors import InputError
from fbnet.history import History
from fbnet.losses import block_bce, block_labels, cross_entropy, image_weighted_cross_entropy, ohem_cross_entropy
from fbnet.models.backbone import stage_strides
from fbnet.models.build import SegmentationNetwork, build
from fbnet.models.initial import load_initial_weights, load_parent
from fbnet.models.resize import resize_to
from fbnet.recipe import TrainingConfig
from fbnet.weights import verified

COMPILED_LENGTH = 10_000  # iterations in which a GPU wins back the minutes that compiling a network takes


@dataclass(frozen=True)
class Training:
    """One training of a run; what each of its processes is given."""

    study: Study
    run: RunConfig
    seed: int
    workers: int

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
        batches = training_batches(
            samples, workers=self.workers, pin_memory=device.type == "cuda", part=rank(), parts=processes()
        )
        if rank() == 0:
            _log_recipe(samples, labels, device, place)
        history = _optimise(network, batches, run, labels, device, place)
        if rank() == 0:
            config = checkpoint.CheckpointConfig(
                study=study.name,
                run=run,
                seed=self.seed,
                dataset=study.data_of(run.id).dataset,
                width=study.settings.width,
                training=training,
                iterations=len(batches),
                torch_version=str(torch.__version__),
            )
            history.write(paths.history_file(study.name, run.id, self.seed))
            checkpoint.save(paths.checkpoint_file(study.name, run.id, self.seed), network, config)


def train(study: Study, run: RunConfig, seed: int, device: torch.device, *, workers: int = 0, gpus: int = 1) -> None:
    """Trains a run and writes its checkpoint and history.

    Args:
        study: the study.
        run: one of its runs.
        seed: one of its seeds.
        device: `cpu` or `cuda`.
        workers: loader processes of each training process; they do not change the result.
        gpus: how many share out every batch; on `cpu`, as many processes do.

    Raises:
        InputError: if the prepared data do not fit the study, what the run starts from is missing or does not fit it,
            or the loss is not finite; earlier results stay.
    """
    _check_batch(study, run, gpus)
    run_processes(gpus, device, Training(study, run, seed, workers))


def poly_learning_rate(training: TrainingConfig, iteration: int, length: int) -> float:
    """The rate of an iteration, counted from 0, of a training of so many (Sec. 4.1)."""
    return training.learning_rate * (1 - iteration / length) ** training.poly_power


def compiles(training: TrainingConfig, device: torch.device, length: int) -> bool:
    """Whether a training of so many iterations compiles its network, which changes its numbers by rounding only."""
    if training.compile == "auto":
        return device.type == "cuda" and length >= COMPILED_LENGTH
    return training.compile == "always"


def losses(
    outputs: dict, labels: Tensor, run: RunConfig, spec: LabelSpec, training: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """L_ce and the weighted sum of the auxiliary losses over the stages; their sum is L of Eq. 8.

    Where several processes train together, these are this one's shares of the two.

    Args:
        outputs: what the network returns.
        labels: (N, H, W) train ids.
        run: which auxiliary loss, after which stages, with which weight.
        spec: which classes are foreground.
        training: whether L_ce has hard example mining and class weights.

    Returns:
        Two float32 scalars.
    """
    balance = labels.new_zeros((), dtype=torch.float32)
    supervised = run.balance.stages if run.balance.auxiliary != "none" else ()
    # The network lists its outputs in the order of the backbone, whatever the order of the description.
    strides = [stride for stage, stride in stage_strides(run.backbone).items() if stage in supervised]
    for stride, logits in zip(strides, outputs["balance"], strict=True):
        balance = balance + run.balance.weight * _auxiliary_loss(logits, labels, stride, run.balance, spec)
    return _segmentation_loss(outputs["out"], labels, training), balance


def _segmentation_loss(logits: Tensor, labels: Tensor, training: TrainingConfig) -> Tensor:
    if training.image_weights is not None:
        return image_weighted_cross_entropy(logits, labels, bound=training.image_weights)
    if training.ohem is None:
        return cross_entropy(logits, labels, weights=training.class_weights)
    settings = training.ohem
    return ohem_cross_entropy(
        logits, labels, threshold=settings.threshold, min_kept=settings.min_kept, weights=training.class_weights
    )


def _auxiliary_loss(logits: Tensor, labels: Tensor, stride: int, config: BalanceConfig, spec: LabelSpec) -> Tensor:
    if config.auxiliary == "pce":
        # NOTE without hard examples and class weights, whatever the segmentation loss has: not in the paper.
        return cross_entropy(resize_to(logits.float(), labels), labels)
    ignore_index = IGNORE_INDEX if config.ignored == "skip" else None
    targets, mask = block_labels(labels, spec.foreground_ids, stride, ignore_index)
    return block_bce(logits, targets, mask)


def _optimise(
    network: SegmentationNetwork,
    batches: DataLoader,
    run: RunConfig,
    spec: LabelSpec,
    device: torch.device,
    place: str,
) -> History:
    samples: TrainingSamples = batches.dataset
    training = samples.training
    length = len(batches)
    optimiser = torch.optim.SGD(
        network.parameters(), training.learning_rate, training.momentum, weight_decay=training.weight_decay
    )
    history = History(length // training.epochs, training.epochs, place)
    trained = synchronised(network, device).train()
    if compiles(training, device, length):
        trained.compile()
    with tqdm(batches, desc=place, unit="it", disable=None if rank() == 0 else True) as progress:
        for iteration, (images, labels, indices) in enumerate(progress):
            rate = poly_learning_rate(training, iteration, length)
            for group in optimiser.param_groups:
                group["lr"] = rate
            labels = labels.to(device, non_blocking=True)
            with autocast(training.precision, device):
                outputs = trained(normalise(images, device))
            shares = losses(outputs, labels, run, spec, training)
            segmentation, balance = mean_of(torch.stack(shares))
            _check_finite(segmentation + balance, iteration, gathered(indices, device), samples.split, place)
            optimiser.zero_grad(set_to_none=True)
            sum(shares).backward()
            optimiser.step()
            if rank() == 0:
                history.add(iteration, rate, segmentation.item(), balance.item())
            progress.set_postfix(loss=f"{(segmentation + balance).item():.3f}", rate=f"{rate:.5f}", refresh=False)
    return history


def open_samples(study: Study, run: RunConfig, seed: int) -> TrainingSamples:
    """A run's training samples: its fine images, and where it has coarse classes the coarse ones for these.

    Raises:
        InputError: if prepared data or centroids are missing or do not fit the study.
    """
    data, training = study.data_of(run.id), study.training_of(run.id)
    fine = {split: open_split(data, split) for split in study.training_splits(run.id)}
    if training.class_uniform is None:
        return TrainingSamples(join(fine.values()), training, seed)
    tile = training.class_uniform.tile
    centroids = [open_centroids(data, split, tile[run.data], packed) for split, packed in fine.items()]
    counts = [len(packed) for packed in fine.values()]
    if not run.coarse_classes:
        return TrainingSamples(join(fine.values()), training, seed, pool_centroids(centroids, counts))
    role = "cityscapes_coarse"
    extra = study.role(role)
    coarse = open_split(extra, extra.train)
    boosted = [data.labels.classes.index(name) for name in run.coarse_classes]
    pool = pool_centroids(centroids, counts, open_centroids(extra, extra.train, tile[role], coarse), boosted)
    return TrainingSamples(join([*fine.values(), coarse]), training, seed, pool, ordinary=sum(counts))


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


def _check_finite(loss: Tensor, iteration: int, indices: list[int], split: Split, place: str) -> None:
    if not torch.isfinite(loss):
        names = ", ".join(split.names[index] for index in indices)
        raise InputError(
            f"{place}: the loss is {loss.item()} at iteration {iteration} with images {names}; "
            "look at these images, or lower training.learning_rate"
        )
