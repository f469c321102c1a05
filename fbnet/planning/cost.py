"""Cost of a study on a machine with one GPU: hours, money, memory and disk.

Hours are operations divided by the operations per second of the GPU. A training iteration is a forward pass of the
batch and a backward pass of twice its operations; a prediction is a forward pass over all tiles, scales and mirror
images. Data loading is assumed to keep up. Small networks, such as a demo's, wait for kernel launches, which are not
counted.

NOTE not in the paper.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal

from fbnet.config.datasets import DataConfig, Role
from fbnet.config.evaluation import EvaluationConfig, Scales
from fbnet.config.hardware import Hardware
from fbnet.config.study import Study
from fbnet.config.training import Precision
from fbnet.evaluation.tiling import seen_pixels
from fbnet.planning.disk import CHECKPOINT_BYTES, data_bytes, image_sizes
from fbnet.planning.estimates import Estimate, Footprint
from fbnet.planning.plan import Jobs, Plan, RunPlan, make_plan
from fbnet.planning.rates import Rates, load_rates
from fbnet.runtime.device import should_compile

HOUR = 3600
GIB = 2**30
OPERATIONS = 2  # per multiply-add, as GPU makers count
PASSES = 3  # forward, and backward to the layer's input and to its weights
FIGURES = "figures"


@dataclass(frozen=True)
class Amount:
    """Total and remaining amount; None if unknown."""

    in_all: float | None
    left: float | None

    def scaled(self, factor: float) -> "Amount":
        """The amount times a factor."""
        return Amount(*(None if value is None else factor * value for value in (self.in_all, self.left)))


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """Cost of one run, in GPU hours where no other unit is named; hours are None if unknown."""

    run: str
    precision: str
    compiled: bool
    measured: bool  # the rate of its training; that of predictions is always estimated
    seconds_an_iteration: float
    training_hours: float | None  # of one training
    evaluation_hours: dict[Scales, float | None]  # of one evaluation
    export_hours: float | None  # of predicting the test server's images once; also None if not needed
    parameters: int
    memory_gib: float  # of its training, see `fbnet.planning.footprint`
    fits: bool  # into the memory of the GPU
    trainings: Amount  # of all seeds, as the following
    predictions: Amount  # evaluations, measurements and exports
    checkpoints: Amount  # bytes


@dataclass(frozen=True, kw_only=True)
class StudyCost:
    """Cost of a study on a machine."""

    hardware: Hardware
    runs: tuple[RunCost, ...]
    tables: dict[str, Amount]  # GPU hours of each table by itself, and at last of all figures together
    prepared: dict[Role, Amount]  # bytes of prepared data

    @property
    def totals(self) -> dict[str, Amount]:
        """Sums over the study, in GPU hours unless the key names another unit."""
        trainings = total(run.trainings for run in self.runs)
        predictions = total(run.predictions for run in self.runs)
        estimated = total(run.trainings for run in self.runs if not run.measured)
        hours = total([trainings, predictions])
        one_by_one = total(self.tables.values())
        return {
            "gpu_hours": hours,
            "trainings": trainings,
            "predictions": predictions,
            "measured": total(run.trainings for run in self.runs if run.measured),
            "estimated": total([estimated, predictions]),
            "tables_one_by_one": one_by_one,
            "shared": total([one_by_one, hours.scaled(-1)]),
            "dollars": hours.scaled(self.hardware.dollars_an_hour),
            "data_bytes": total(self.prepared.values()),
            "checkpoint_bytes": total(run.checkpoints for run in self.runs),
        }

    def as_dict(self) -> dict:
        """The cost as plain values."""
        totals = {name: asdict(amount) for name, amount in self.totals.items()}
        return {**asdict(self), "hardware": self.hardware.model_dump(), "totals": totals}


def estimate(study: Study, plan: Plan, hardware: Hardware) -> StudyCost:
    """Estimate the cost of a study.

    Args:
        study: the study.
        plan: its plan.
        hardware: the machine.

    Raises:
        InputError: for a damaged benchmark of the machine or a damaged manifest of prepared data.
    """
    rates, networks = load_rates(hardware), _footprints(study, plan)
    runs = {entry.run: _run_cost(study, entry, hardware, rates, networks[entry.run]) for entry in plan.runs}
    parts = {name: replace(study, tables={name: table}, figures={}) for name, table in study.tables.items()}
    if study.figures:
        parts[FIGURES] = replace(study, tables={})
    prepared = {entry.role: (data_bytes(study.role(entry.role)), entry.prepared) for entry in plan.data}
    return StudyCost(
        hardware=hardware,
        runs=tuple(runs.values()),
        tables={name: _hours_alone(part, runs) for name, part in parts.items()},
        prepared={role: Amount(in_all=size, left=0 if done else size) for role, (size, done) in prepared.items()},
    )


def total(amounts: Iterable[Amount]) -> Amount:
    """Sum of amounts; unknown if one of them is."""
    amounts = list(amounts)
    columns = [amount.in_all for amount in amounts], [amount.left for amount in amounts]
    return Amount(*(None if None in values else sum(values) for values in columns))


def _footprints(study: Study, plan: Plan) -> dict[str, Footprint]:
    """Footprint of each run, counted once for runs that take the same."""
    counted, footprints = {}, {}
    for name in (entry.run for entry in plan.runs):
        training = study.training_of(name)
        estimate = Estimate(
            run=study.run(name),
            labels=study.data_of(name).labels,
            training=training,
            precision=_precision(training.precision),
            width=study.settings.width,
        )
        if estimate.key not in counted:
            counted[estimate.key] = _footprint(estimate)
        footprints[name] = counted[estimate.key]
    return footprints


def _footprint(estimate: Estimate) -> Footprint:
    """Footprint of a training: the kept one if it holds, else counted and kept."""
    found = estimate.read()
    if found is None:
        from fbnet.planning.footprint import footprint  # with torch, which takes seconds to load

        found = footprint(estimate)
        estimate.keep(found)
    return found


def _run_cost(study: Study, entry: RunPlan, hardware: Hardware, rates: Rates, network: Footprint) -> RunCost:
    training, data = study.training_of(entry.run), study.data_of(entry.run)
    precision = _precision(training.precision)
    compiled = should_compile(training, "cuda", entry.iterations or 0)
    rate = rates.of(training, precision, compiled=compiled)
    pixels = training.batch_size * training.crop[0] * training.crop[1]
    seconds = OPERATIONS * PASSES * network.operations * pixels / rate.operations
    training_hours = None if entry.iterations is None else entry.iterations * seconds / HOUR
    evaluation_hours = {
        scales: _prediction_hours(data, data.evaluate, study.evaluation(scales), rates, network)
        for scales in entry.evaluations
    }
    export_hours = None
    if entry.exports.needed:
        test, settings = study.role("cityscapes_test"), study.evaluation(study.export_scales)
        export_hours = _prediction_hours(test, test.predict, settings, rates, network)
    trainings, predictions = _job_hours(entry, training_hours, evaluation_hours, export_hours)
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
        trainings=trainings,
        predictions=predictions,
        checkpoints=_of_jobs(CHECKPOINT_BYTES * network.parameters, entry.training),
    )


def _prediction_hours(
    data: DataConfig, split: str, settings: EvaluationConfig, rates: Rates, network: Footprint
) -> float | None:
    """GPU hours of predicting a split once; None if its images are unknown."""
    sizes = image_sizes(data, split)
    if sizes is None:
        return None
    pixels = sum(images * seen_pixels(size, settings) for size, images in sizes.items())
    return OPERATIONS * network.operations * pixels / rates.of_predictions(_precision(settings.precision)) / HOUR


def _hours_alone(part: Study, runs: dict[str, RunCost]) -> Amount:
    """GPU hours of a part of a study, such as one of its tables, by itself."""
    costs = [(entry, runs[entry.run]) for entry in make_plan(part).runs]
    return total(
        hours
        for entry, cost in costs
        for hours in _job_hours(entry, cost.training_hours, cost.evaluation_hours, cost.export_hours)
    )


def _job_hours(
    entry: RunPlan, training: float | None, evaluations: dict[Scales, float | None], export: float | None
) -> tuple[Amount, Amount]:
    """GPU hours of a run's trainings, and of its evaluations, measurements and exports."""
    evaluated = [_of_jobs(evaluations[scales], jobs) for scales, jobs in entry.evaluations.items()]
    measured = _of_jobs(evaluations.get("single_scale"), entry.measurements)  # most of it is an evaluation
    return _of_jobs(training, entry.training), total([*evaluated, measured, _of_jobs(export, entry.exports)])


def _of_jobs(each: float | None, jobs: Jobs) -> Amount:
    """Amount of all needed jobs, and of those not done."""
    counts = len(jobs.needed), len(jobs.needed) - len(jobs.done)
    return Amount(*(0 if count == 0 else None if each is None else count * each for count in counts))


def _precision(precision: Precision) -> Literal["float32", "bfloat16"]:
    """Precision on a current GPU, with `auto` resolved."""
    return "bfloat16" if precision == "auto" else precision
