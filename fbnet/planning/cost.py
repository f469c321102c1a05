"""What a study costs on a machine with one GPU: hours, money, memory and disk.

Hours are operations over the operations a second that the GPU does. An iteration is the batch's forward pass, and as
its backward pass twice that; a prediction is a forward pass over all tiles, scales and mirror images. Reading and
augmenting images is taken to keep up. Networks as small as a demo's wait for launches, which are not counted.

NOTE not in the paper.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal

import torch

from fbnet.config.datasets import DataConfig, Role
from fbnet.config.evaluation import EvaluationConfig, Scales
from fbnet.config.hardware import Hardware
from fbnet.config.study import Study
from fbnet.config.training import Precision
from fbnet.planning.disk import CHECKPOINT_BYTES, data_bytes, image_sizes
from fbnet.planning.footprint import Footprint, footprint, seen_pixels
from fbnet.planning.plan import Jobs, Plan, RunPlan, make_plan
from fbnet.planning.rates import Rates, load_rates
from fbnet.runtime.device import should_compile

HOUR = 3600
GIB = 2**30
OPERATIONS = 2  # of a multiplication with its addition, as GPUs' makers count
PASSES = 3  # forward, and backward to the layer's input and to its weights
FIGURES = "figures"


@dataclass(frozen=True)
class Amount:
    """Of something, how much in all, and how much is left to be done; None where it is not known."""

    in_all: float | None
    left: float | None


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """What one run costs."""

    run: str
    precision: str
    compiled: bool
    measured: bool
    """Whether the rate of its training was measured; that of predictions is always an estimate."""
    seconds_an_iteration: float
    training_hours: float | None
    """Of one training."""
    evaluation_hours: dict[Scales, float | None]
    """Of one evaluation."""
    export_hours: float | None
    """Of one set of predictions for the test server; None where none is needed as well."""
    parameters: int
    memory_gib: float
    """Of its training, as estimated by `fbnet.planning.footprint`."""
    fits: bool
    """Whether that is no more than the GPU has."""
    trainings: Amount
    """Hours of all its seeds."""
    predictions: Amount
    """Hours of all evaluations and exports."""
    checkpoints: Amount
    """Bytes of all its seeds."""


@dataclass(frozen=True, kw_only=True)
class StudyCost:
    """What a study costs on a machine. Amounts are GPU hours where nothing else is said."""

    hardware: Hardware
    runs: tuple[RunCost, ...]
    tables: dict[str, Amount]
    """Each table by itself, with all that it needs; all figures together are the last."""
    prepared: dict[Role, Amount]
    """Bytes of the prepared data."""

    @property
    def totals(self) -> dict[str, Amount]:
        """Sums over the study; `dollars`, `data_bytes` and `checkpoint_bytes` say of what."""
        trainings = total(run.trainings for run in self.runs)
        predictions = total(run.predictions for run in self.runs)
        measured = total(run.trainings for run in self.runs if run.measured)
        others = total(run.trainings for run in self.runs if not run.measured)
        hours = total([trainings, predictions])
        alone = total(self.tables.values())
        return {
            "gpu_hours": hours,
            "trainings": trainings,
            "predictions": predictions,
            "measured": measured,
            "estimated": total([others, predictions]),
            "tables_one_by_one": alone,
            "shared": total([alone, times(hours, -1)]),
            "dollars": times(hours, self.hardware.dollars_an_hour),
            "data_bytes": total(self.prepared.values()),
            "checkpoint_bytes": total(run.checkpoints for run in self.runs),
        }

    def as_dict(self) -> dict:
        """All of it as plain values."""
        return {
            **asdict(self),
            "hardware": self.hardware.model_dump(),
            "totals": {name: asdict(amount) for name, amount in self.totals.items()},
        }


def estimate(study: Study, plan: Plan, hardware: Hardware) -> StudyCost:
    """What a planned study costs.

    Args:
        study: the study.
        plan: all of what it needs.
        hardware: the machine.

    Raises:
        InputError: for a damaged benchmark of the machine, and for a damaged manifest of prepared data.
    """
    rates, networks = load_rates(hardware), _footprints(study, plan)
    runs = {entry.run: _run_cost(study, entry, hardware, rates, networks[entry.run]) for entry in plan.runs}
    parts = {name: replace(study, tables={name: table}, figures={}) for name, table in study.tables.items()}
    if study.figures:
        parts[FIGURES] = replace(study, tables={})
    return StudyCost(
        hardware=hardware,
        runs=tuple(runs.values()),
        tables={name: _hours_alone(part, runs) for name, part in parts.items()},
        prepared={entry.role: _prepared(study.role(entry.role), entry.prepared) for entry in plan.data},
    )


def total(amounts: Iterable[Amount]) -> Amount:
    """Their sum; not known where one of them is not."""
    amounts = list(amounts)
    return Amount(*(_sum([getattr(amount, key) for amount in amounts]) for key in ("in_all", "left")))


def times(amount: Amount, factor: float) -> Amount:
    """So many times an amount."""
    return Amount(*(None if value is None else factor * value for value in (amount.in_all, amount.left)))


def _footprints(study: Study, plan: Plan) -> dict[str, Footprint]:
    """Of each run; a network that several runs share is counted once, as counting takes half a second."""
    counted, footprints = {}, {}
    for name in (entry.run for entry in plan.runs):
        run, labels, training = study.run(name), study.data_of(name).labels, study.training_of(name)
        precision = _precision(training.precision)
        classes = len(labels.classes), len(labels.foreground)
        key = (repr(run.network_key), classes, training.crop, training.batch_size, precision)
        if key not in counted:
            counted[key] = footprint(run, labels, training, precision, study.settings.width)
        footprints[name] = counted[key]
    return footprints


def _run_cost(study: Study, entry: RunPlan, hardware: Hardware, rates: Rates, network: Footprint) -> RunCost:
    training, data = study.training_of(entry.run), study.data_of(entry.run)
    precision = _precision(training.precision)
    compiled = should_compile(training, torch.device("cuda"), entry.iterations or 0)
    rate = rates.training(precision, compiled=compiled)
    pixels = training.batch_size * training.crop[0] * training.crop[1]
    seconds = OPERATIONS * PASSES * network.operations * pixels / rate.operations
    training_hours = None if entry.iterations is None else entry.iterations * seconds / HOUR

    def prediction_hours(predicted: DataConfig, split: str, settings: EvaluationConfig) -> float | None:
        speed = rates.evaluation(_precision(settings.precision)).operations
        seen = _seen(predicted, split, settings)
        return None if seen is None else OPERATIONS * network.operations * seen / speed / HOUR

    evaluation_hours = {
        scales: prediction_hours(data, data.evaluate, study.evaluation(scales)) for scales in entry.evaluations
    }
    export_hours = None
    if entry.exports.needed:
        test = study.role("cityscapes_test")
        export_hours = prediction_hours(test, test.predict, study.evaluation(study.export_scales))
    memory = network.memory / GIB
    return RunCost(
        run=entry.run,
        precision=precision,
        compiled=compiled,
        measured=rate.measured,
        seconds_an_iteration=seconds,
        training_hours=training_hours,
        evaluation_hours=evaluation_hours,
        export_hours=export_hours,
        parameters=network.parameters,
        memory_gib=memory,
        fits=memory <= hardware.memory_gib,
        trainings=_of_jobs(training_hours, entry.training),
        predictions=_predictions(evaluation_hours, export_hours, entry),
        checkpoints=_of_jobs(CHECKPOINT_BYTES * network.parameters, entry.training),
    )


def _hours_alone(part: Study, runs: dict[str, RunCost]) -> Amount:
    """GPU hours of a study's part, such as one of its tables, as if there were nothing else."""
    hours = []
    for entry in make_plan(part).runs:
        cost = runs[entry.run]
        hours.append(_of_jobs(cost.training_hours, entry.training))
        hours.append(_predictions(cost.evaluation_hours, cost.export_hours, entry))
    return total(hours)


def _predictions(evaluation_hours: dict[Scales, float | None], export_hours: float | None, entry: RunPlan) -> Amount:
    evaluations = [_of_jobs(evaluation_hours[scales], jobs) for scales, jobs in entry.evaluations.items()]
    return total([*evaluations, _of_jobs(export_hours, entry.exports)])


def _prepared(data: DataConfig, done: bool) -> Amount:
    size = data_bytes(data)
    return Amount(in_all=size, left=0 if done else size)


def _seen(data: DataConfig, split: str, settings: EvaluationConfig) -> int | None:
    """Pixels that go through a network while a split is predicted; None where its images are not known."""
    sizes = image_sizes(data, split)
    return None if sizes is None else sum(images * seen_pixels(size, settings) for size, images in sizes.items())


def _of_jobs(each: float | None, jobs: Jobs) -> Amount:
    """What all of them take, and those that are not done."""
    counts = (len(jobs.needed), len(jobs.needed) - len(jobs.done))
    return Amount(*(0 if count == 0 else None if each is None else count * each for count in counts))


def _precision(precision: Precision) -> Literal["float32", "bfloat16"]:
    """What a network computes in on a GPU of today, `auto` decided."""
    return "bfloat16" if precision == "auto" else precision


def _sum(values: list[float | None]) -> float | None:
    return None if None in values else sum(values)
