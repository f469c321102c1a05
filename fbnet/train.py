"""Trains one run of a study with one seed (Secs. 3.3 and 4.1)."""

import sys
import time
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from fbnet import checkpoint, paths
from fbnet.config import BalanceConfig, RunConfig, Study
from fbnet.data.centroids import open_centroids
from fbnet.data.pack import PackedSplit, open_split
from fbnet.data.sampling import TrainingSamples, training_batches
from fbnet.data.specs import IGNORE_INDEX, LabelSpec
from fbnet.device import normalise, precision
from fbnet.errors import InputError
from fbnet.files import write_text
from fbnet.losses import block_bce, block_labels, cross_entropy, ohem_cross_entropy
from fbnet.models.backbone import stage_strides
from fbnet.models.build import SegmentationNetwork, build
from fbnet.models.initial import load_initial_weights
from fbnet.models.resize import resize_to
from fbnet.recipe import TrainingConfig
from fbnet.weights import verified


@dataclass
class EpochRecord:
    """One line of history.csv: means over an epoch."""

    epoch: int
    iteration: int
    learning_rate: float
    loss: float
    segmentation_loss: float
    balance_loss: float
    seconds: float


def train(study: Study, run: RunConfig, seed: int, device: torch.device, *, workers: int = 0) -> None:
    """Trains a run and writes its checkpoint and history; loader processes do not change the result.

    Raises:
        InputError: if the prepared data do not fit the study, or the loss is not finite; earlier results stay.
    """
    training, data = study.settings.training, study.data_of(run.id)
    split = open_split(data, data.train)
    if len(split) < training.batch_size:
        raise InputError(
            f"{paths.study_file(study.name)}: training.batch_size: {training.batch_size} images a batch, "
            f"but split {data.train!r} has {len(split)}; lower it"
        )
    torch.manual_seed(seed)
    network = build(run, data.labels, width=study.settings.width)
    initial = study.initial_weights(run.id)
    if initial is not None:
        load_initial_weights(network.backbone, verified(initial))
    network.to(device, memory_format=torch.channels_last)
    centroids = None if training.class_uniform is None else open_centroids(study, run.data, split)
    samples = TrainingSamples(split, training, seed, centroids)
    place = f"{run.id} seed {seed}"
    _log_recipe(samples, data.labels, place)
    batches = training_batches(samples, workers=workers, pin_memory=device.type == "cuda")
    history = _optimise(network, batches, run, data.labels, device, place)
    config = checkpoint.CheckpointConfig(
        study=study.name,
        run=run,
        seed=seed,
        dataset=data.dataset,
        width=study.settings.width,
        training=training,
        iterations=len(batches),
        torch_version=str(torch.__version__),
    )
    _write_history(study.name, run.id, seed, history)
    checkpoint.save(paths.checkpoint_file(study.name, run.id, seed), network, config)


def poly_learning_rate(training: TrainingConfig, iteration: int, length: int) -> float:
    """The rate of an iteration, counted from 0, of a training of so many (Sec. 4.1)."""
    return training.learning_rate * (1 - iteration / length) ** training.poly_power


def losses(
    outputs: dict, labels: Tensor, run: RunConfig, spec: LabelSpec, training: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """L_ce and the weighted sum of the auxiliary losses over the stages; their sum is L of Eq. 8.

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
) -> list[EpochRecord]:
    samples: TrainingSamples = batches.dataset
    training = samples.training
    length = len(batches)
    optimiser = torch.optim.SGD(
        network.parameters(), training.learning_rate, training.momentum, weight_decay=training.weight_decay
    )
    history = _History(length // training.epochs, training.epochs, place)
    network.train()
    with tqdm(batches, desc=place, unit="it", disable=None) as progress:
        for iteration, (images, labels, indices) in enumerate(progress):
            rate = poly_learning_rate(training, iteration, length)
            for group in optimiser.param_groups:
                group["lr"] = rate
            labels = labels.to(device, non_blocking=True)
            with precision(device):
                outputs = network(normalise(images, device))
            segmentation, balance = losses(outputs, labels, run, spec, training)
            loss = segmentation + balance
            _check_finite(loss, iteration, indices, samples.split, place)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            history.add(iteration, rate, segmentation.item(), balance.item())
            progress.set_postfix(loss=f"{loss.item():.3f}", rate=f"{rate:.5f}", refresh=False)
    return history.records


def _log_recipe(samples: TrainingSamples, spec: LabelSpec, place: str) -> None:
    """Says in a line what of the training is switched on, and which classes no crop can be centred on."""
    words = "; ".join(samples.training.recipe) or "plain cross-entropy, shuffled images, no change of colours"
    if samples.training.class_uniform is not None:
        absent = [name for train_id, name in enumerate(spec.classes) if train_id not in samples.classes]
        words += f"; never drawn by class, as absent from the data: {', '.join(absent)}" if absent else ""
    print(f"{place}: trains with {words}", file=sys.stderr, flush=True)


class _History:
    """Gathers iterations into epochs, and says each one in a line where no progress bar shows."""

    def __init__(self, epoch_length: int, epochs: int, place: str) -> None:
        self.epoch_length = epoch_length
        self.epochs = epochs
        self.place = place
        self.records: list[EpochRecord] = []
        self.start = self.epoch_start = time.monotonic()
        self.sums = [0.0, 0.0]

    def add(self, iteration: int, rate: float, segmentation: float, balance: float) -> None:
        self.sums = [self.sums[0] + segmentation, self.sums[1] + balance]
        if (iteration + 1) % self.epoch_length == 0:
            self._close_epoch(iteration + 1, rate)

    def _close_epoch(self, done: int, rate: float) -> None:
        segmentation, balance = (total / self.epoch_length for total in self.sums)
        now = time.monotonic()
        epoch = done // self.epoch_length
        self.records.append(
            EpochRecord(epoch, done, rate, segmentation + balance, segmentation, balance, now - self.epoch_start)
        )
        self.epoch_start, self.sums = now, [0.0, 0.0]
        if not sys.stderr.isatty():
            left = (now - self.start) / epoch * (self.epochs - epoch)
            print(
                f"{self.place}: epoch {epoch}/{self.epochs} loss {segmentation + balance:.4f} "
                f"(segmentation {segmentation:.4f}, balance {balance:.4f}) rate {rate:.5f} left {left:.0f} s",
                file=sys.stderr,
                flush=True,
            )


def _check_finite(loss: Tensor, iteration: int, indices: Tensor, split: PackedSplit, place: str) -> None:
    if not torch.isfinite(loss):
        names = ", ".join(split.names[index] for index in indices.tolist())
        raise InputError(
            f"{place}: the loss is {loss.item()} at iteration {iteration} with images {names}; "
            "look at these images, or lower training.learning_rate"
        )


def _write_history(study: str, run: str, seed: int, history: list[EpochRecord]) -> None:
    names = [entry.name for entry in fields(EpochRecord)]
    lines = [",".join(names)] + [
        ",".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in vars(record).values())
        for record in history
    ]
    write_text(paths.history_file(study, run, seed), "\n".join(lines) + "\n")
