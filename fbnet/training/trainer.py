"""Training loop (Sec. 4.1)."""

import logging
import math
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import active_children

import torch
from torch import Tensor
from tqdm import tqdm

from fbnet.config.training import TrainingConfig
from fbnet.data.normalisation import normalise
from fbnet.data.photometric import change_colours
from fbnet.data.sampler import TrainingSamples
from fbnet.errors import InputError
from fbnet.models.build import SegmentationNetwork
from fbnet.runtime.device import should_compile
from fbnet.runtime.distributed import all_gather_object, all_reduce_mean, rank, world_size, wrap_ddp
from fbnet.runtime.precision import autocast
from fbnet.runtime.stop_signals import Interrupted, catch_stop_signals
from fbnet.runtime.transfer import LateValues, to_device
from fbnet.training.history import History
from fbnet.training.loader import training_batches
from fbnet.training.resume import ResumeState

logger = logging.getLogger(__name__)

Objective = Callable[[dict, Tensor], tuple[Tensor, Tensor]]
"""Segmentation and balance loss of network outputs and labels (N, H, W); with several ranks, this rank's shares."""


def poly_learning_rate(config: TrainingConfig, iteration: int, iterations: int) -> float:
    """Learning rate of an iteration, counted from 0 (Sec. 4.1)."""
    return config.learning_rate * (1 - iteration / iterations) ** config.poly_power


class Trainer:
    """Train a network, resuming saved progress.

    Args:
        network: network on `device`; trained in place.
        samples: all samples of the training, in order.
        config: schedule, optimiser, precision and compilation.
        objective: the loss to minimise, as its two parts.
        device: where to compute.
        label: prefix of messages.
        state: where progress is resumed from and saved to; None starts from the beginning and saves nothing.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        samples: TrainingSamples,
        config: TrainingConfig,
        objective: Objective,
        device: torch.device,
        label: str,
        state: ResumeState | None = None,
    ) -> None:
        self.network, self.samples, self.config, self.objective = network, samples, config, objective
        self.device, self.label, self.state = device, label, state
        self.copies = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.iterations = len(samples) // config.batch_size
        self.optimiser = torch.optim.SGD(
            network.parameters(), config.learning_rate, config.momentum, weight_decay=config.weight_decay
        )
        self.history = History(self.iterations // config.epochs, config.epochs, label)
        self.queued: deque[tuple[int, float, LateValues]] = deque()  # iteration, learning rate and losses to be read
        self.loss = math.nan  # the latest that was read
        self.stop = self.due = False  # what all ranks know: one was asked to stop, the state is to be saved
        self.random: dict[str, Tensor] | None = None  # generator states to restore
        self.done = self._resume()
        self.trained = wrap_ddp(network, device).train()
        if should_compile(config, device.type, self.iterations, world_size()):
            self.trained.compile()

    def fit(self, workers: int = 0) -> History:
        """Train to the end with `workers` loader processes.

        Raises:
            InputError: if the loss is not finite, images cannot be loaded, or another process took the training over.
            Interrupted: if a signal stopped the training; its progress is saved.
        """
        batches = training_batches(
            self.samples,
            self.config.batch_size,
            workers=workers,
            pin_memory=self.device.type == "cuda",
            part=rank(),
            parts=world_size(),
            first=self.done,
        )
        with catch_stop_signals() as signals:
            # The iterator draws a random number as it is made, so generators are restored after it.
            loaded = iter(batches)
            self._restore_generators()
            # torch's handler would raise in the middle of a step when a loader dies; without it, the next batch does.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            hidden = None if rank() == 0 else True
            progress = tqdm(
                loaded, desc=self.label, unit="it", initial=self.done, total=self.iterations, disable=hidden
            )
            with progress, _kill_loaders():
                for batch in self._load(progress):
                    stop, due = bool(signals), self.state is not None and self.state.is_due()
                    self._step(batch, stop, due)
                    loss = self._read_losses(all_but=1)
                    progress.set_postfix(loss=f"{loss:.3f}", refresh=False)
                    if world_size() > 1:
                        stop, due = self.stop, self.due  # of an iteration that all ranks have read
                    ended = self.done == self.iterations
                    if self.state is not None and (stop or due or ended):
                        self._save_resume_state()
                    if stop and not ended:
                        all_gather_object(None)  # the first process to end ends the others, so all wait for the state
                        raise self._interrupted(signals)
                self._read_losses()
        return self.history

    def _load(self, batches: Iterable) -> Iterator:
        """Yield the batches; if they cannot be loaded, save the progress and raise InputError with the reason."""
        try:
            yield from batches
        # For a loader process that died torch raises RuntimeError, or one of the others if it was handing over a batch.
        except (InputError, RuntimeError, ConnectionError, EOFError) as error:
            if self.state is not None and world_size() == 1:
                self._save_resume_state()
            raise InputError(f"{self.label}: stopped after iteration {self.done}: {_reason(error)}") from error

    def _step(self, batch: Sequence[Tensor], stop: bool, due: bool) -> None:
        """Queue one iteration and the reading of its losses.

        Args:
            batch: of images and labels.
            stop: whether this rank was asked to stop.
            due: whether this rank would save the state.
        """
        config, device = self.config, self.device
        rate = poly_learning_rate(config, self.done, self.iterations)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        images, labels = to_device(batch, device, self.copies)
        if config.photometric is not None:
            share = len(images)
            first = (self.done * world_size() + rank()) * share
            drawn = [self.samples.colours(first + index) for index in range(share)]
            images = change_colours(images, drawn, config.photometric)
        with autocast(config.precision, device):
            outputs = self.trained(normalise(images, device, self.network.backbone.normalisation))
        shares = self.objective(outputs, labels)
        wishes = (torch.full((), float(wish), device=device) for wish in (stop, due))
        means = all_reduce_mean(torch.stack([*shares, *wishes]))
        self.optimiser.zero_grad(set_to_none=True)
        sum(shares).backward()
        self.optimiser.step()
        self.queued.append((self.done, rate, LateValues(means)))
        self.done += 1

    def _read_losses(self, all_but: int = 0) -> float:
        """Read the losses of queued iterations, all but the last ones, into the history; return the latest.

        Reading an iteration's losses after the next one is queued keeps a GPU busy meanwhile.

        Raises:
            InputError: for a loss that is not finite.
        """
        while len(self.queued) > all_but:
            iteration, rate, values = self.queued.popleft()
            segmentation, balance, stops, dues = values.read()
            self.loss, self.stop, self.due = segmentation + balance, self.stop or stops > 0, dues > 0
            if not math.isfinite(self.loss):
                first = iteration * self.config.batch_size
                names = ", ".join(self.samples.name(first + index) for index in range(self.config.batch_size))
                raise InputError(
                    f"{self.label}: the loss is {self.loss} at iteration {iteration} with images {names}; "
                    "check these images, or lower training.learning_rate"
                )
            if rank() == 0:
                self.history.add(iteration, rate, segmentation, balance)
        return self.loss

    def _save_resume_state(self) -> None:
        self._read_losses()  # a state after a loss that is not finite would be resumed in vain
        self.due = False
        random = all_gather_object(_generator_states(self.device))
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

    def _resume(self) -> int:
        """Load the resume state and return its number of iterations; 0 if there is none.

        It may be of another number of ranks: batches and losses are the same, only dropout differs.
        """
        saved = None if self.state is None else self.state.load()
        if saved is None:
            return 0
        self.network.load_state_dict(saved["network"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.history.restore(saved["history"])
        if len(saved["random"]) == world_size():
            self.random = saved["random"][rank()]
        self._log(f"resuming from iteration {saved['iteration']} of {self.iterations}")
        return saved["iteration"]

    def _restore_generators(self) -> None:
        if self.random is not None:
            torch.set_rng_state(self.random["cpu"])
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(self.random["cuda"], self.device)

    def _interrupted(self, signals: list[int]) -> Interrupted:
        number = signals[0] if signals else signal.SIGTERM
        hint = "run the same command to resume" if self.state is not None else "nothing is saved"
        name = signal.Signals(number).name
        self._log(f"stopped by {name} after iteration {self.done} of {self.iterations}; {hint}")
        return Interrupted(number)

    def _log(self, text: str) -> None:
        if rank() == 0:
            logger.info(f"{self.label}: {text}")


@contextmanager
def _kill_loaders() -> Iterator[None]:
    """Kill loader processes that an error leaves behind, as they ignore signals to stop."""
    try:
        yield
    finally:
        for loader in active_children():
            loader.kill()


def _generator_states(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _reason(error: Exception) -> str:
    """Message of an error without the traceback of a loader process that comes before it."""
    if isinstance(error, ConnectionError | EOFError):
        return f"DataLoader worker exited while it handed over a batch ({error}); run the same command again"
    return str(error).rpartition(f"{InputError.__module__}.{InputError.__name__}: ")[2].removesuffix("\\n")
