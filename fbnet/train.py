"""Trains one run of a study with one seed (Secs. 3.3 and 4.1)."""

import math
import signal
import sys
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from fbnet import checkpoint, paths
from fbnet.config import BalanceConfig, RunConfig, Study
from fbnet.data.centroids import open_centroids, pool_centroids
from fbnet.data.joined import Split, join
from fbnet.data.packed import open_split
from fbnet.data.sampling import TrainingSamples, training_batches
from fbnet.data.specs import IGNORE_INDEX, LabelSpec
from fbnet.device import autocast, choose_precision, normalise
from fbnet.distributed import everyones, gathered, mean_of, processes, rank, run_processes, synchronised
from fbnet.errors import InputError
from fbnet.history import History
from fbnet.losses import block_bce, block_labels, cross_entropy, image_weighted_cross_entropy, ohem_cross_entropy
from fbnet.models.backbone import stage_strides
from fbnet.models.build import SegmentationNetwork, build
from fbnet.models.initial import load_initial_weights, load_parent
from fbnet.models.resize import resize_to
from fbnet.recipe import TrainingConfig
from fbnet.state import Interrupted, TrainingState, asked_to_stop
from fbnet.weights import verified

COMPILED_LENGTH = 10_000  # iterations in which a GPU wins back the minutes that compiling a network takes


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
        history = _Optimisation(network, samples, run, labels, device, place, self.state)(self.workers)
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


class _Optimisation:
    """The iterations of a training, from the first or from where it was interrupted to the last."""

    def __init__(
        self,
        network: SegmentationNetwork,
        samples: TrainingSamples,
        run: RunConfig,
        spec: LabelSpec,
        device: torch.device,
        place: str,
        state: TrainingState | None,
    ) -> None:
        training = samples.training
        self.network, self.samples, self.run, self.spec = network, samples, run, spec
        self.device, self.place, self.state = device, place, state
        self.optimiser = torch.optim.SGD(
            network.parameters(), training.learning_rate, training.momentum, weight_decay=training.weight_decay
        )
        self.history = History(samples.iterations // training.epochs, training.epochs, place)
        self.random: dict[str, Tensor] | None = (
            None  # the state that random numbers go on from, where it was interrupted
        )
        self.done = self._restore()
        self.trained = synchronised(network, device).train()
        if compiles(training, device, samples.iterations):
            self.trained.compile()

    def __call__(self, workers: int) -> History:
        on_gpu, length = self.device.type == "cuda", self.samples.iterations
        batches = training_batches(
            self.samples, workers=workers, pin_memory=on_gpu, part=rank(), parts=processes(), first=self.done
        )
        shown = None if rank() == 0 else True
        with (
            asked_to_stop() as signals,
            tqdm(batches, desc=self.place, unit="it", initial=self.done, total=length, disable=shown) as progress,
        ):
            loaded = iter(progress)
            self._restore_random()  # after the loader has drawn its own
            for images, labels, indices in loaded:
                segmentation, balance, stop = self._step(images, labels, indices, bool(signals))
                progress.set_postfix(loss=f"{segmentation + balance:.3f}", refresh=False)
                if self.state is not None and (stop or self.done % self.state.every == 0 or self.done == length):
                    self._keep()
                if stop and self.done < length:
                    raise self._interrupted(signals)
        return self.history

    def _step(self, images: Tensor, labels: Tensor, indices: Tensor, stop: bool) -> tuple[float, float, bool]:
        """One iteration: its two losses, and whether any process was asked to stop."""
        training, device = self.samples.training, self.device
        rate = poly_learning_rate(training, self.done, self.samples.iterations)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        labels = labels.to(device, non_blocking=True)
        with autocast(training.precision, device):
            outputs = self.trained(normalise(images, device))
        shares = losses(outputs, labels, self.run, self.spec, training)
        told = torch.tensor(float(stop), device=device)
        means = mean_of(torch.stack([*shares, told]))
        self.optimiser.zero_grad(set_to_none=True)
        sum(shares).backward()
        self.optimiser.step()
        # Looked at once and last, for a GPU to have the whole iteration to do meanwhile.
        segmentation, balance, stops = means.tolist()
        _check_finite(segmentation + balance, self.done, gathered(indices, device), self.samples.split, self.place)
        if rank() == 0:
            self.history.add(self.done, rate, segmentation, balance)
        self.done += 1
        return segmentation, balance, stops > 0

    def _keep(self) -> None:
        random = everyones(_random_state(self.device))
        if rank() == 0:
            self.state.save(
                {
                    "iteration": self.done,
                    "network": self.network.state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "history": self.history.state(),
                    "random": random,
                }
            )

    def _restore(self) -> int:
        """Takes over the kept state and returns how many iterations it has done; 0 without any."""
        kept = None if self.state is None else self.state.load()
        if kept is None or len(kept["random"]) != processes():
            return 0
        self.network.load_state_dict(kept["network"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.history.restore(kept["history"])
        self.random = kept["random"][rank()]
        if rank() == 0:
            print(
                f"{self.place}: goes on from iteration {kept['iteration']} of {self.samples.iterations}",
                file=sys.stderr,
                flush=True,
            )
        return kept["iteration"]

    def _restore_random(self) -> None:
        if self.random is not None:
            _set_random_state(self.random, self.device)

    def _interrupted(self, signals: list[int]) -> Interrupted:
        number = signals[0] if signals else signal.SIGTERM
        if rank() == 0:
            kept = "the same command goes on from here" if self.state is not None else "nothing is kept"
            print(
                f"{self.place}: stopped by {signal.Signals(number).name} after iteration {self.done} of "
                f"{self.samples.iterations}; {kept}",
                file=sys.stderr,
                flush=True,
            )
        return Interrupted(number)


def _random_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_random_state(states: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


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


def _check_finite(loss: float, iteration: int, indices: list[int], split: Split, place: str) -> None:
    if not math.isfinite(loss):
        names = ", ".join(split.names[index] for index in indices)
        raise InputError(
            f"{place}: the loss is {loss} at iteration {iteration} with images {names}; "
            "look at these images, or lower training.learning_rate"
        )
