"""Jobs and data that the tables and figures of a study need, and how much is done. Imports no torch."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from functools import partial

from fbnet import paths
from fbnet.config.datasets import DataConfig, Role
from fbnet.config.evaluation import Scales
from fbnet.config.study import Study
from fbnet.data import raw_files
from fbnet.data.packed import split_images
from fbnet.models.weight_files import how_to_install, weights_file
from fbnet.provenance.graph import SCALES, Kind, Result, of_run, prepared


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Seeds of one kind of job for one run; done are those that are recorded, be they stale or not."""

    needed: tuple[int, ...]
    done: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Data, jobs and iterations of one run."""

    run: str
    dataset: str
    splits: tuple[str, ...]  # to train on
    start: str | None  # run whose network it starts from
    recipe: str | None
    images: int | None  # to train on; None if unknown
    iterations: int | None  # of one training, epochs times full batches; None if unknown
    tables: tuple[str, ...]  # that need the run as a row, a baseline or an ancestor of these
    figures: tuple[str, ...]
    training: Jobs
    evaluations: dict[Scales, Jobs]
    exports: Jobs  # predictions for the test server
    measurements: Jobs  # of feature camouflage


@dataclass(frozen=True, kw_only=True)
class DataPlan:
    """One dataset of the study."""

    role: Role
    dataset: str
    images: dict[str, int | None]  # by split; None if unknown
    prepared: bool
    drawn: bool  # raw data are synthetic scenes, which preparation draws
    missing: tuple[str, ...]  # folders and files of raw data
    tables: tuple[str, ...]
    figures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that the tables and figures of a study need; parents precede the runs that start from them."""

    study: str
    data: tuple[DataPlan, ...]
    runs: tuple[RunPlan, ...]

    @property
    def totals(self) -> dict[str, dict[str, int | None]]:
        """Needed and done trainings, evaluations, exports, measurements and iterations; None if unknown."""
        needed, done = self._count("needed"), self._count("done")
        return {kind: {"needed": needed[kind], "done": done[kind]} for kind in needed}

    def as_dict(self) -> dict:
        """The plan as plain values."""
        return {**asdict(self), "totals": self.totals}

    def _count(self, key: str) -> dict[str, int | None]:
        iterations = [run.iterations for run in self.runs for _ in getattr(run.training, key)]
        return {
            "trainings": len(iterations),
            "evaluations": sum(len(getattr(jobs, key)) for run in self.runs for jobs in run.evaluations.values()),
            "exports": sum(len(getattr(run.exports, key)) for run in self.runs),
            "measurements": sum(len(getattr(run.measurements, key)) for run in self.runs),
            "iterations": None if None in iterations else sum(iterations),
        }


def make_plan(study: Study) -> Plan:
    """Plan a study. Raises InputError for a damaged manifest of prepared data."""
    needs = _needs(study)
    return Plan(
        study=study.name,
        data=tuple(_data_plan(study, role, needs) for role in study.settings.data),
        runs=tuple(_run_plan(study, run, need) for run, need in needs.items()),
    )


def missing_inputs(study: Study, due: Collection[Result]) -> list[str]:
    """Describe missing raw data and initial weights, and the tables that need them, in one line each.

    Reads no manifest, as every planning of the workflow calls it.

    Args:
        study: the study.
        due: results to be made; raw data of splits that are prepared already are not missed.
    """
    lines = []
    for role, data in study.settings.data.items():
        splits = [split for other, split in study.splits if other == role and prepared(study, role, split) in due]
        missing = raw_files.missing(data, splits)
        if missing:
            tables = [name for name in study.tables if role in study.roles_of_table(name)]
            lines.append(
                f"no raw data for {role}: {missing[0]} is missing or empty; bring {data.dataset} there or set "
                f"{data.entry.root_variable or data.raw_root_hint}{_needed_by(tables)}"
            )
    for entry in dict.fromkeys(filter(None, map(study.initial_weights, study.runs))):
        if not paths.weights_record(entry).is_file() and not weights_file(entry).is_file():
            runs = {run for run in study.runs if study.initial_weights(run) == entry}
            tables = [name for name in study.tables if runs & set(study.runs_of_table(name))]
            hint = how_to_install(entry) or f"bring them there, or `fbnet fetch-weights --study {study.name}`"
            lines.append(f"no initial weights {entry}; {hint}{_needed_by(tables)}")
    return lines


def _needed_by(tables: list[str]) -> str:
    return f"; needed by {', '.join(tables)}" if tables else ""


@dataclass
class _Need:
    """Needs of a run, collected over tables and figures."""

    tables: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    seeds: set[int] = field(default_factory=set)
    evaluations: defaultdict[Scales, set[int]] = field(default_factory=partial(defaultdict, set))
    exports: set[int] = field(default_factory=set)
    measurements: set[int] = field(default_factory=set)


def _needs(study: Study) -> dict[str, _Need]:
    """Runs that tables and figures need, parents first."""
    needs: defaultdict[str, _Need] = defaultdict(_Need)
    for name, table in study.tables.items():
        for run in study.runs_of_table(name):
            needs[run].tables.append(name)
            needs[run].seeds.update(study.seeds_of(run))
        for run in map(study.run, study.compared_runs(name)):
            if run.evaluated:
                needs[run.id].evaluations[table.evaluation].update(study.seeds_of(run.id))
            elif run.split == "trainval":
                needs[run.id].exports.update(study.seeds_of(run.id))
    # Figures show two runs.
    shown = (study.figure_runs.baseline, study.figure_runs.fbnet) if study.figures else ()
    for run in dict.fromkeys(link for name in shown for link in study.ancestors(name)):
        needs[run].figures += study.figures
        for name, figure in study.figures.items():
            seeds = study.seeds_of_figure(name, run)
            needs[run].seeds.update(seeds)
            if run in shown and figure.shows != "measurements":
                needs[run].evaluations["single_scale"].update(seeds)
            elif run in shown:
                needs[run].measurements.update(seeds)
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
        training=_jobs(study, "train", run, need.seeds),
        evaluations={
            scales: _jobs(study, kind, run, need.evaluations[scales])
            for kind, scales in SCALES.items()
            if scales in need.evaluations
        },
        exports=_jobs(study, "export", run, need.exports),
        measurements=_jobs(study, "measure", run, need.measurements),
    )


def _jobs(study: Study, kind: Kind, run: str, seeds: set[int]) -> Jobs:
    """Jobs of one kind; those with a record are done, wherever their files are."""
    needed = tuple(sorted(seeds))
    records = {seed: paths.provenance_file(study.name, kind, of_run(kind, run, seed).name) for seed in needed}
    return Jobs(needed=needed, done=tuple(seed for seed, record in records.items() if record.is_file()))


def _data_plan(study: Study, role: Role, needs: dict[str, _Need]) -> DataPlan:
    data = study.settings.data[role]
    shown = [run for run, need in needs.items() if need.figures and role in study.run(run).roles]
    return DataPlan(
        role=role,
        dataset=data.dataset,
        images={split: split_images(data, split) for split in data.splits},
        prepared=not _unpacked(data),
        drawn=data.synthetic is not None,
        missing=tuple(map(str, raw_files.missing(data, data.splits))),
        tables=tuple(name for name in study.tables if role in study.roles_of_table(name)),
        figures=tuple(study.figures) if shown else (),
    )


def _unpacked(data: DataConfig) -> list[str]:
    """Return the splits of which packed files are missing."""
    return [split for split in data.splits if not all(path.is_file() for path in data.prepared_files(split))]
