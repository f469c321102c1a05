"""Training of the ResNet-101 FCN as on a GPU: share of its peak, cost of FBNet and determinism, loaders, kernels."""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.harness import Row, Spread, in_turn, seconds, write
from benchmarks.networks import BATCH, CROP, DEVICE, Step, TorchvisionStep
from benchmarks.training_step import counted
from fbnet.config.datasets import DataConfig, SyntheticConfig
from fbnet.config.load import load_hardware
from fbnet.config.training import TrainingConfig
from fbnet.data.packed import open_split
from fbnet.data.prepare import prepare
from fbnet.data.sampler import TrainingSamples
from fbnet.errors import InputError
from fbnet.runtime.determinism import deterministic_algorithms
from fbnet.runtime.precision import choose_precision
from fbnet.runtime.transfer import to_device
from fbnet.training.loader import training_batches

BASELINE, FBNET, THEIRS = "fcn_r101", "fcn_r101_fbnet", "fcn_resnet101"
ROUNDS, BATCHES, LOADERS = 9, 40, 8
SCENES = 16
KERNELS = 10  # in the profile's table
Side = Callable[[], None]


def main() -> None:
    on_gpu = DEVICE.type == "cuda"
    rows, profiled = measure(BASELINE, FBNET, THEIRS, rounds=ROUNDS, compiled=on_gpu)
    rows.append(waiting(Step(FBNET), size=(1024, 2048) if on_gpu else (256, 512), batches=BATCHES, workers=LOADERS))
    settings = {"batch": BATCH, "crop": CROP, "rounds": ROUNDS, "loaders": LOADERS, "longest_kernels": profiled}
    write("gpu_training", rows, precision=choose_precision("auto", DEVICE), **settings)


def measure(
    baseline: str, fbnet: str, theirs: str, *, rounds: int, compiled: bool, width: float = 1.0
) -> tuple[list[Row], list[dict]]:
    """Measure training steps of two runs, with a multiplier of their width, and of a network of torchvision in turn.

    Returns:
        The rows, and name, milliseconds and share of the kernels that a step of FBNet spends most time in.
    """
    plain, ours = Step(baseline, width=width), Step(fbnet, width=width)
    sides: dict[str, Side] = {
        "torchvision": TorchvisionStep(theirs),
        "plain": partial(run, plain, deterministic=False),
        "deterministic": partial(run, plain, deterministic=True),
        "fbnet": partial(run, ours, deterministic=True),
    }
    if compiled:
        sides["compiled"] = partial(run, Step(baseline, compiled=True, width=width), deterministic=False)
    times = dict(zip(sides, zip(*in_turn(list(sides.values()), rounds), strict=True), strict=True))
    operations = counted(Step(baseline, width=width))
    rows = [
        ratio(times, "fbnet", "deterministic", f"{fbnet}, training step", f"{baseline}", target=1.02),
        ratio(times, "deterministic", "plain", f"{baseline}, deterministic step", "the same without", target=1.05),
        ratio(times, "plain", "torchvision", f"{baseline}, training step", f"torchvision's {theirs}", target=1.0),
    ]
    if (peak := peak_rate()) is not None:
        for name, target in (("deterministic", 0.35), ("compiled", 0.45)):
            shares = [operations / taken / peak for taken in times.get(name, ())]
            if shares:
                rows.append(share_of_peak(f"{baseline}, {name}", shares, target))
    return rows, longest_kernels(sides["fbnet"])


def run(step: Step, *, deterministic: bool) -> None:
    with deterministic_algorithms(deterministic):
        step()


def ratio(times: dict[str, tuple[float, ...]], ours: str, theirs: str, what: str, against: str, target: float) -> Row:
    ratios = [one / other for one, other in zip(times[ours], times[theirs], strict=True)]
    sides = {"ours": statistics.median(times[ours]), "theirs": statistics.median(times[theirs])}
    return Row(what=what, against=against, ratio=Spread.of(ratios), target=target, better="lower", unit="s", **sides)


def share_of_peak(what: str, shares: list[float], target: float) -> Row:
    row = {"what": what, "against": "the GPU's peak", "unit": "of the peak"}
    return Row(ratio=Spread.of(shares), target=target, better="higher", **row)


def peak_rate() -> float | None:
    """Peak of the GPU in `params/hardware.yaml` in the precision of the steps; None for another one, and a CPU."""
    if DEVICE.type != "cuda":
        return None
    name = torch.cuda.get_device_name().split()[1].lower().partition("-")[0]
    try:
        return load_hardware(name).peak(choose_precision("auto", DEVICE))
    except InputError:
        return None


def waiting(step: Step, *, size: tuple[int, int], batches: int, workers: int) -> Row:
    """Measure the share of a step in which it waits for loaders that scale, crop and mirror, as in a training."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        config = SyntheticConfig(height=size[0], width=size[1], images={"train": SCENES}, seed=0)
        data = DataConfig(dataset="synthetic", root=str(Path(folder) / "raw"), synthetic=config, train="train")
        prepare(data, "train")
        training = TrainingConfig(crop=CROP, batch_size=BATCH, epochs=batches, learning_rate=0.1)
        samples = TrainingSamples(open_split(data, "train"), training, seed=0)
        loaded = training_batches(samples, BATCH, workers=workers, pin_memory=DEVICE.type == "cuda")
        iterator, shares = iter(loaded), []
        for _ in range(batches):
            begun = time.perf_counter()
            batch = next(iterator)
            waited = time.perf_counter() - begun
            step.images, step.labels = to_device(batch, DEVICE, None)
            shares.append(waited / (waited + seconds(step)))
    return Row(
        what=f"{step.run_id}, waiting for {workers} loaders",
        against="the time of a step",
        ratio=Spread.of(shares[5:]),  # the first ones fill the queue
        target=0.02,
        better="lower",
        unit="of a step",
    )


def longest_kernels(work: Side) -> list[dict]:
    """Profile one step: the kernels, or on a CPU the operators, that take most time themselves."""
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if DEVICE.type == "cuda" else [])]
    key = "self_device_time_total" if DEVICE.type == "cuda" else "self_cpu_time_total"
    with profile(activities=kinds) as profiled:
        work()
    spent = {event.key: getattr(event, key) for event in profiled.key_averages()}
    whole = sum(spent.values())
    longest = sorted(spent.items(), key=lambda entry: -entry[1])[:KERNELS]
    return [{"name": name, "ms": time / 1e3, "share": time / whole} for name, time in longest]


if __name__ == "__main__":
    main()
