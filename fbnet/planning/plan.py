"""What a study needs before its tables and figures can be made, and what of it is done. Imports no torch."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tabulate import tabulate

from fbnet import paths
from fbnet.config.datasets import DataConfig, Role
from fbnet.config.evaluation import Scales
from fbnet.config.study import Study
from fbnet.data import raw_files as readers
from fbnet.data.packed import prepared_images, split_images
from fbnet.models.weight_files import weights_file

NONE = "–"


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Jobs of one kind for one run, by their seeds."""

    needed: tuple[int, ...]
    done: tuple[int, ...]
    """Those of them whose result is there; whether it is of today's parameters is for the workflow to tell."""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What one run takes."""

    run: str
    dataset: str
    splits: tuple[str, ...]
    """What it is trained on."""
    start: str | None
    """The run whose network it starts from."""
    recipe: str | None
    images: int | None
    """Of the training; None where they are not known, and the iterations with them."""
    iterations: int | None
    """Of one training: epochs times full batches."""
    tables: tuple[str, ...]
    figures: tuple[str, ...]
    """Those that need it, be it as a row, as a baseline, or as what another run starts from."""
    training: Jobs
    evaluations: dict[Scales, Jobs]
    exports: Jobs
    """Predictions for the test server."""


@dataclass(frozen=True, kw_only=True)
class DataPlan:
    """One data set of the study."""

    role: Role
    dataset: str
    images: dict[str, int | None]
    """By split."""
    prepared: bool
    drawn: bool
    """Whether preparation draws the raw data itself."""
    missing: tuple[str, ...]
    """Folders and files of raw data that are not there."""
    tables: tuple[str, ...]
    """Those that need it."""
    figures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a study's tables and figures need; parents stand before the runs that start from them."""

    study: str
    data: tuple[DataPlan, ...]
    runs: tuple[RunPlan, ...]

    @property
    def totals(self) -> dict[str, dict[str, int | None]]:
        """Needed and done: trainings, evaluations and exports as jobs, and iterations, None where not all are known."""
        kinds = {
            "trainings": [run.training for run in self.runs],
            "evaluations": [jobs for run in self.runs for jobs in run.evaluations.values()],
            "exports": [run.exports for run in self.runs],
        }
        totals = {kind: {key: _count(jobs, key) for key in ("needed", "done")} for kind, jobs in kinds.items()}
        return totals | {"iterations": {key: self._iterations(key) for key in ("needed", "done")}}

    def as_dict(self) -> dict:
        """All of it as plain values."""
        return {**asdict(self), "totals": self.totals}

    def _iterations(self, key: str) -> int | None:
        trainings = [(run.iterations, len(getattr(run.training, key))) for run in self.runs]
        if any(iterations is None and seeds for iterations, seeds in trainings):
            return None
        return sum(iterations * seeds for iterations, seeds in trainings if seeds)


def make_plan(study: Study) -> Plan:
    """The plan of a study. Raises InputError for a damaged manifest of prepared data."""
    needs = _needs(study)
    return Plan(
        study=study.name,
        data=tuple(_data_plan(study, role, needs) for role in study.settings.data),
        runs=tuple(_run_plan(study, run, need) for run, need in needs.items()),
    )


def to_text(plan: Plan) -> str:
    """The plan as two tables and its totals, for people."""
    data = [
        {
            "data": entry.role,
            "data set": entry.dataset,
            "images": ", ".join(f"{split} {_known(images)}" for split, images in entry.images.items()),
            "packed": "yes" if entry.prepared else "no",
            "raw data": _raw(entry),
            "tables": _numbers(entry.tables),
            "figs": _numbers(entry.figures),
        }
        for entry in plan.data
    ]
    runs = [
        {
            "run": entry.run,
            "trained on": f"{entry.dataset} {' + '.join(entry.splits)}",
            "iterations": _known(entry.iterations),
            "trained": _progress([entry.training]),
            "evaluated": _progress(entry.evaluations.values()),
            "exports": _progress([entry.exports]),
            "tables": _numbers(entry.tables),
            "figs": _numbers(entry.figures),
            "starts from": entry.start or NONE,
        }
        for entry in plan.runs
    ]
    parts = [tabulate(rows, headers="keys", disable_numparse=True) for rows in (data, runs) if rows]
    totals = [f"{kind}: {_known(of['needed'])}, done {_known(of['done'])}" for kind, of in plan.totals.items()]
    return "\n\n".join([*parts, "\n".join(totals)])


def missing_inputs(study: Study) -> list[str]:
    """In a line each, what is neither there nor made by the study's jobs: raw data and initial weights, with the tables
    that need it. Reads no manifest, as this is said whenever the study is planned."""
    lines = []
    for role, data in study.settings.data.items():
        missing = () if all(path.is_file() for path in data.prepared_files) else readers.missing(data)
        if missing:
            tables = [name for name in study.tables if role in study.roles_of_table(name)]
            lines.append(
                f"no raw data for {role}: {missing[0]} is missing or empty; bring {data.dataset} there or set "
                f"{data.entry.root_variable}{_needed_by(tables)}"
            )
    for entry in dict.fromkeys(filter(None, map(study.initial_weights, study.runs))):
        if not paths.weights_record(entry).is_file() and not weights_file(entry).is_file():
            runs = {run for run in study.runs if study.initial_weights(run) == entry}
            tables = [name for name in study.tables if runs & set(study.runs_of_table(name))]
            lines.append(
                f"no initial weights {entry}; bring them there, or `fbnet fetch-weights --study {study.name}`"
                f"{_needed_by(tables)}"
            )
    return lines


def _needed_by(tables: list[str]) -> str:
    return f"; needed by {', '.join(tables)}" if tables else ""


@dataclass
class _Need:
    """What is needed of a run while tables and figures are gone through."""

    tables: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    seeds: set[int] = field(default_factory=set)
    evaluations: dict[Scales, set[int]] = field(default_factory=dict)
    exports: set[int] = field(default_factory=set)

    def evaluate(self, scales: Scales, seeds: Iterable[int]) -> None:
        self.evaluations.setdefault(scales, set()).update(seeds)


def _needs(study: Study) -> dict[str, _Need]:
    """The runs that tables and figures need, parents first."""
    needs: dict[str, _Need] = {}
    seeds = study.settings.seeds
    for name, table in study.tables.items():
        for run in study.runs_of_table(name):
            need = needs.setdefault(run, _Need())
            need.tables.append(name)
            need.seeds.update(seeds)
        for run in map(study.run, study.compared_runs(name)):
            if run.evaluated:
                needs[run.id].evaluate(table.evaluation, seeds)
            elif run.split == "trainval":
                needs[run.id].exports.update(seeds)
    # A figure shows two runs with the first seed.
    shown = (study.figure_runs.baseline, study.figure_runs.fbnet) if study.figures else ()
    for run in dict.fromkeys(link for name in shown for link in study.ancestors(name)):
        need = needs.setdefault(run, _Need())
        need.figures += study.figures
        need.seeds.add(seeds[0])
        if run in shown:
            need.evaluate("single_scale", seeds[:1])
    return needs


def _run_plan(study: Study, run: str, need: _Need) -> RunPlan:
    data, training, splits = study.data_of(run), study.training_of(run), study.training_splits(run)
    counts = [split_images(data, split) for split in splits]
    images = None if None in counts else sum(counts)
    return RunPlan(
        run=run,
        dataset=data.dataset,
        splits=splits,
        start=study.run(run).start,
        recipe=study.run(run).recipe,
        images=images,
        iterations=None if images is None else training.epochs * (images // training.batch_size),
        tables=tuple(need.tables),
        figures=tuple(need.figures),
        training=_jobs(need.seeds, lambda seed: paths.checkpoint_file(study.name, run, seed)),
        evaluations={
            scales: _jobs(seeds, lambda seed, scales=scales: paths.metrics_file(study.name, run, seed, scales))
            for scales, seeds in need.evaluations.items()
        },
        exports=_jobs(need.exports, lambda seed: paths.export_file(study.name, run, seed)),
    )


def _jobs(seeds: set[int], result: Callable[[int], Path]) -> Jobs:
    needed = tuple(sorted(seeds))
    return Jobs(needed=needed, done=tuple(seed for seed in needed if result(seed).is_file()))


def _data_plan(study: Study, role: Role, needs: dict[str, _Need]) -> DataPlan:
    data = study.settings.data[role]
    shown = [run for run, need in needs.items() if need.figures and role in study.run(run).roles]
    return DataPlan(
        role=role,
        dataset=data.dataset,
        images={split: split_images(data, split) for split in data.splits},
        prepared=_is_prepared(data),
        drawn=data.synthetic is not None,
        missing=tuple(map(str, readers.missing(data))),
        tables=tuple(name for name in study.tables if role in study.roles_of_table(name)),
        figures=tuple(study.figures) if shown else (),
    )


def _is_prepared(data: DataConfig) -> bool:
    """Whether all files are there, and in the manifest every split."""
    return set(data.splits) <= prepared_images(data).keys() and all(path.is_file() for path in data.prepared_files)


def _count(jobs: Iterable[Jobs], key: str) -> int:
    return sum(len(getattr(entry, key)) for entry in jobs)


def _raw(entry: DataPlan) -> str:
    if entry.drawn:
        return "drawn"
    if not entry.missing:
        return "there"
    first, *others = entry.missing
    return f"missing: {first}" + (f" and {len(others)} more" if others else "")


def _known(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _progress(jobs: Iterable[Jobs]) -> str:
    jobs = list(jobs)
    needed = _count(jobs, "needed")
    return f"{_count(jobs, 'done')} of {needed}" if needed else NONE


def _numbers(names: Iterable[str]) -> str:
    """Tables or figures by what they are numbered by: `1, 3` for table_1 and table_3."""
    return ", ".join(name.partition("_")[2] for name in names) or NONE
