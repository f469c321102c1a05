"""The iterations of a training, from the first or from where it was interrupted to the last (Sec. 4.1)."""

import math
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children

import torch
from torch import Tensor
from tqdm import tqdm

from fbnet.config.labels import LabelSpec
from fbnet.config.runs import RunConfig
from fbnet.config.training import TrainingConfig
from fbnet.data.normalisation import normalise
from fbnet.data.packed import PackedSplit
from fbnet.data.sampler import TrainingSamples
from fbnet.errors import InputError
from fbnet.models.build import SegmentationNetwork
from fbnet.runtime.device import should_compile
from fbnet.runtime.distributed import everyones, gathered, mean_of, processes, rank, synchronised
from fbnet.runtime.precision import autocast
from fbnet.training.history import History
from fbnet.training.loader import training_batches
from fbnet.training.objective import losses
from fbnet.training.resume import Interrupted, TrainingState, asked_to_stop


def poly_learning_rate(training: TrainingConfig, iteration: int, length: int) -> float:
    """The rate of an iteration, counted from 0, of a training of so many (Sec. 4.1)."""
    return training.learning_rate * (1 - iteration / length) ** training.poly_power


class Loop:
    """A training of a network, as far as it is done; called, it does the rest."""

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
        """
        Args:
            network: on the device; trained in place.
            samples: all that it is trained on, in order.
            run: whose network and losses.
            spec: the classes of its labels.
            device: where to compute.
            place: how messages call the training.
            state: what it goes on from and keeps; None begins at the beginning and keeps nothing.
        """
        training = samples.training
        self.network, self.samples, self.run, self.spec = network, samples, run, spec
        self.device, self.place, self.state = device, place, state
        self.optimiser = torch.optim.SGD(
            network.parameters(), training.learning_rate, training.momentum, weight_decay=training.weight_decay
        )
        self.history = History(samples.iterations // training.epochs, training.epochs, place)
        self.random: dict[str, Tensor] | None = None  # the kept state of the random numbers
        self.done = self._restore()
        self.trained = synchronised(network, device).train()
        if should_compile(training, device, samples.iterations):
            self.trained.compile()

    def __call__(self, workers: int) -> History:
        """Trains to the end, with so many loader processes.

        Raises:
            InputError: if the loss is not finite, images cannot be loaded, or another process took the training over.
            Interrupted: when a signal asked it to stop; what was done is in the state.
        """
        on_gpu, length = self.device.type == "cuda", self.samples.iterations
        batches = training_batches(
            self.samples, workers=workers, pin_memory=on_gpu, part=rank(), parts=processes(), first=self.done
        )
        with asked_to_stop() as signals:
            # A loader draws a random number as it begins, so that those of an interrupted training come back after.
            loaded = iter(batches)
            self._restore_random()
            # Of a loader that died, torch would tell in the middle of a step; so it does where batches are taken.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            shown = None if rank() == 0 else True
            progress = tqdm(loaded, desc=self.place, unit="it", initial=self.done, total=length, disable=shown)
            with progress, _no_loader_left():
                for images, labels, indices in self._readable(progress):
                    segmentation, balance, stop = self._step(images, labels, indices, bool(signals))
                    progress.set_postfix(loss=f"{segmentation + balance:.3f}", refresh=False)
                    if self.state is not None and (stop or self.done % self.state.every == 0 or self.done == length):
                        self._keep()
                    if stop and self.done < length:
                        raise self._interrupted(signals)
        return self.history

    def _readable(self, batches: Iterable) -> Iterator:
        """The batches; where they cannot be loaded, keeps what was done and says why."""
        try:
            yield from batches
        except (InputError, RuntimeError) as error:  # torch's word for a loader process that died
            if self.state is not None and processes() == 1:
                self._keep()
            raise InputError(f"{self.place}: stopped after iteration {self.done}: {_said(error)}") from error

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
        self._say(f"goes on from iteration {kept['iteration']} of {self.samples.iterations}")
        return kept["iteration"]

    def _restore_random(self) -> None:
        if self.random is not None:
            torch.set_rng_state(self.random["cpu"])
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(self.random["cuda"], self.device)

    def _interrupted(self, signals: list[int]) -> Interrupted:
        number = signals[0] if signals else signal.SIGTERM
        kept = "the same command goes on from here" if self.state is not None else "nothing is kept"
        done = f"stopped by {signal.Signals(number).name} after iteration {self.done} of {self.samples.iterations}"
        self._say(f"{done}; {kept}")
        return Interrupted(number)

    def _say(self, text: str) -> None:
        if rank() == 0:
            print(f"{self.place}: {text}", file=sys.stderr, flush=True)


@contextmanager
def _no_loader_left() -> Iterator[None]:
    """Ends loader processes that an error leaves behind, as they do not heed a signal to stop."""
    try:
        yield
    finally:
        for loader in active_children():
            loader.kill()


def _random_state(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _said(error: Exception) -> str:
    """What an error said; one of a loader process comes with that process's traceback before it."""
    return str(error).rpartition(f"{InputError.__module__}.{InputError.__name__}: ")[2].removesuffix("\\n")


def _check_finite(loss: float, iteration: int, indices: list[int], split: PackedSplit, place: str) -> None:
    if not math.isfinite(loss):
        names = ", ".join(split.names[index] for index in indices)
        raise InputError(
            f"{place}: the loss is {loss} at iteration {iteration} with images {names}; "
            "look at these images, or lower training.learning_rate"
        )
