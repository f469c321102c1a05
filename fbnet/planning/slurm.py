"""What one training of each run asks of a Slurm cluster, by the rules and `profiles/slurm`.

NOTE not in the paper.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from fbnet import paths
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.io.yaml_file import read_yaml
from fbnet.planning.cost import GIB, HOUR, RunCost, StudyCost
from fbnet.planning.estimates import BYTES, FLOAT_BYTES
from fbnet.planning.requests import TRAINING_MINUTES, memory_mb

MINUTE = 60
STATES = 3  # weights, gradients, momentum: each GPU has all of them


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What one training of a run asks for, and what it is estimated to need."""

    run: str
    gpus: int  # the fewest into whose memory it fits
    gpu_gib: float  # of each
    cores: int
    memory_mb: int
    minutes: int  # time limit of a job
    hours: float | None  # estimated, in all
    jobs: int | None  # one after the other, as a training that is not done goes on in another

    def as_dict(self) -> dict:
        """The request as plain values."""
        return asdict(self)


def training_requests(study: Study, cost: StudyCost) -> tuple[TrainingRequest, ...]:
    """Return the request of each run.

    Args:
        study: the study.
        cost: its cost on the cluster's machine.

    Raises:
        InputError: if the profile cannot be read, gives no numbers, or a training does not fit.
    """
    profile = read_yaml(paths.SLURM_PROFILE)
    return tuple(_request(study, run, cost.hardware.memory_gib, profile) for run in cost.runs)


def _request(study: Study, run: RunCost, gpu_memory: float, profile: dict) -> TrainingRequest:
    training = study.training_of(run.run)
    gpus = next((count for count, gib in _shares(run, training.batch_size) if gib <= gpu_memory), None)
    if gpus is None:
        raise InputError(f"{run.run}: does not fit into GPUs of {gpu_memory:g} GiB; choose another --hardware")
    hours = None if run.training_hours is None else run.training_hours / gpus
    cores = _number(profile, "set-threads", training.threads or 1)
    minutes = _number(profile, "set-resources", TRAINING_MINUTES, "runtime")
    return TrainingRequest(
        run=run.run,
        gpus=gpus,
        gpu_gib=dict(_shares(run, training.batch_size))[gpus],
        cores=cores,
        memory_mb=_number(profile, "set-resources", memory_mb(cores), "mem_mb"),
        minutes=minutes,
        hours=hours,
        jobs=None if hours is None else math.ceil(hours * HOUR / MINUTE / minutes),
    )


def _shares(run: RunCost, batch_size: int) -> Iterator[tuple[int, float]]:
    """Yield numbers of GPUs that can share a batch, and GiB on each: activations are shared, states are not."""
    copy = 0 if run.precision == "float32" else BYTES[run.precision]
    states = (STATES * FLOAT_BYTES + copy) * run.parameters / GIB
    for gpus in range(1, batch_size + 1):
        if batch_size % gpus == 0:
            yield gpus, states + (run.memory_gib - states) / gpus


def _number(profile: dict, section: str, otherwise: int, name: str | None = None) -> int:
    """Return what a profile sets for trainings, such as their threads or the resource `name`."""
    value = (profile.get(section) or {}).get("train")
    if name is not None:
        value = (value or {}).get(name)
    if value is None:
        return otherwise
    if not isinstance(value, int) or value < 1:
        key = ": ".join(filter(None, (section, "train", name)))
        raise InputError(f"{paths.SLURM_PROFILE}: {key}: {value!r} is not a positive number; write one to plan with it")
    return value
