"""Dependency graph of a study: which result is made from what, and which files its job writes.

The workflow, provenance, audit and report all read this one object. Building it touches no file and imports no torch.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from fbnet import paths
from fbnet.config.datasets import DataConfig, Role
from fbnet.config.evaluation import Scales
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study

Kind = Literal[
    "raw", "prepare", "centroids", "train", "evaluate", "evaluate_multi_scale", "export", "measure", "table", "figure"
]
SCALES: dict[str, Scales] = {"evaluate": "single_scale", "evaluate_multi_scale": "multi_scale"}


@dataclass(frozen=True, order=True)
class Result:
    """Name of a node: what one job leaves behind, or raw data."""

    kind: Kind
    name: str
    """Packed split of raw and prepared data, `<packed split>/<tile>` of centroids, `<run>/seed<k>` of a run's results,
    or table or figure."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name.replace('/', ' ')}"


@dataclass(frozen=True, kw_only=True)
class Node:
    """Everything that a study declares about a result."""

    parameters: dict
    """All of `params/` that the result depends on."""
    inputs: tuple[Result, ...] = ()
    """Results and raw data that it is made from."""
    files: tuple[Path, ...] = ()
    """Versioned files that it is made from besides."""
    variants: tuple[str, ...] = ()
    """Choices that select source files: data set, head and backbone, figure."""
    identity: tuple[Path, ...] = ()
    """Outputs that identify the result: its digest covers them, and the jobs of later results read them."""
    byproducts: tuple[Path, ...] = ()
    """Outputs that the digest leaves out: arrays whose hashes the manifest holds, and histories, which hold times."""
    record: Path | None = None
    """Provenance record; None for raw data, which no job makes."""

    @property
    def results(self) -> tuple[Result, ...]:
        """The inputs that jobs make: all but raw data."""
        return tuple(entry for entry in self.inputs if entry.kind != "raw")

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files that the job writes."""
        return (*self.identity, *self.byproducts, *(() if self.record is None else (self.record,)))


@dataclass(frozen=True)
class Graph:
    """A study's results and raw data, each after its inputs."""

    study: Study
    nodes: dict[Result, Node]

    def __getitem__(self, result: Result) -> Node:
        return self.nodes[result]

    @property
    def results(self) -> dict[Result, Node]:
        """The nodes that jobs make: all but raw data."""
        return {result: node for result, node in self.nodes.items() if node.record is not None}

    def needed(self) -> dict[Result, Node]:
        """The study's tables and figures with all results that they are made from, in order."""
        found, waiting = set(), [result for result in self.nodes if result.kind in ("table", "figure")]
        while waiting:
            result = waiting.pop()
            found.add(result)
            waiting += set(self[result].inputs) - found
        return {result: node for result, node in self.results.items() if result in found}

    def read_by(self, result: Result) -> list[tuple[Result, Path]]:
        """List the files of its inputs that a result's job reads, each after its input.

        Few figures and no table read samples, so that the others can be made where only the small files of evaluations
        are.
        """
        files = [(entry, path) for entry in self[result].results for path in self[entry].identity]
        samples = result.kind == "figure" and self.study.figure(result.name).shows == "samples"
        return [(entry, path) for entry, path in files if samples or path.name != paths.SAMPLES]

    def split_of(self, result: Result) -> tuple[DataConfig, str]:
        """Return the data set and the split of raw or prepared data."""
        parts = ((self.study.role(role), split) for role, split in self.study.splits)
        return next((data, split) for data, split in parts if data.packed_name(split) == result.name)

    def raw_data(self, result: Result) -> tuple[DataConfig, str] | None:
        """Return the raw split that a result is prepared from; None for any other result and for synthetic scenes."""
        raw = [entry for entry in self[result].inputs if entry.kind == "raw"]
        return self.split_of(raw[0]) if raw else None


def build_graph(study: Study) -> Graph:
    """Build the dependency graph of a study."""
    nodes: dict[Result, Node] = {}
    for role, split in study.splits:
        nodes |= _data_nodes(study, role, split)
    parents_first = dict.fromkeys(link for name in study.runs for link in study.ancestors(name))
    for run in map(study.run, parents_first):
        for seed in study.seeds_of(run.id):
            nodes |= _run_nodes(study, run, seed)
    for run in study.measured_runs:
        nodes |= {
            of_run("measure", run, seed): _measurement_node(study, study.run(run), seed) for seed in study.seeds_of(run)
        }
    nodes |= {Result("table", name): _table_node(study, name) for name in study.tables}
    nodes |= {Result("figure", name): _figure_node(study, name) for name in study.figures}
    return Graph(study, nodes)


def of_run(kind: Kind, run: str, seed: int | str) -> Result:
    """Name the training, evaluation or export of a run with one seed."""
    return Result(kind, f"{run}/seed{seed}")


def prepared(study: Study, role: Role, split: str) -> Result:
    """Name the prepared data of a split of one of a study's data sets."""
    return Result("prepare", study.role(role).packed_name(split))


def centroids(study: Study, role: Role, split: str, tile: int) -> Result:
    """Name the class centroids of a split of one of a study's data sets, for tiles of a size in pixels."""
    return Result("centroids", f"{study.role(role).packed_name(split)}/{tile}")


def rule_outputs(study: str, kind: Kind, name: str) -> dict:
    """Return identity, byproducts and record, as keyword arguments of `Node`, of any result but those of data.

    Args:
        study: Name of the study.
        kind: Kind of the result.
        name: Name of the result; with wildcards such as `{run}/seed{seed}` the files are patterns for Snakemake.
    """
    run, _, seed = name.rpartition("/seed")
    byproducts = ()
    match kind:
        case "train":
            identity = [paths.checkpoint_file(study, run, seed)]
            byproducts = (paths.history_file(study, run, seed),)
        case "evaluate":
            identity = [paths.metrics_file(study, run, seed), paths.samples_file(study, run, seed)]
        case "evaluate_multi_scale":
            identity = [paths.metrics_file(study, run, seed, SCALES[kind])]
        case "export":
            identity = [paths.export_file(study, run, seed)]
        case "measure":
            identity = [paths.camouflage_file(study, run, seed)]
        case "table":
            identity = [*paths.table_files(study, name), paths.table_metrics_file(study, name)]
        case "figure":
            identity = paths.figure_files(study, name)
    record = paths.provenance_file(study, kind, name)
    return {"identity": tuple(identity), "byproducts": byproducts, "record": record}


def large_files(study: Study) -> list[Path]:
    """List the files that DVC versions: folders of packed splits, checkpoints, samples and exports."""
    files = (paths.checkpoint_file, paths.samples_file, paths.export_file)
    folders = [paths.prepared_dir(prepared(study, *part).name) for part in study.splits]
    runs = [(run, seed) for run in study.runs for seed in study.seeds_of(run)]
    return [*folders, *(file(study.name, run, seed) for (run, seed), file in product(runs, files))]


def _data_nodes(study: Study, role: Role, split: str) -> dict[Result, Node]:
    data, made = study.role(role), prepared(study, role, split)
    raw = Result("raw", made.name)
    nodes = {} if data.synthetic is not None else {raw: Node(parameters={})}  # synthetic scenes have no raw data
    manifest, *arrays = data.prepared_files(split)
    nodes[made] = Node(
        parameters=data.preparation(split),
        inputs=tuple(nodes),
        files=_versioned(data.list_file(split)),
        variants=(data.dataset,),
        identity=(manifest,),
        byproducts=tuple(arrays),
        record=paths.provenance_file(study.name, "prepare", made.name),
    )
    for tile in (part[2] for part in study.centroids if part[:2] == (role, split)):
        result = centroids(study, role, split, tile)
        nodes[result] = Node(
            parameters={"tile": tile},
            inputs=(made,),
            identity=(paths.centroids_file(made.name, tile),),
            record=paths.provenance_file(study.name, "centroids", result.name),
        )
    return nodes


def _run_nodes(study: Study, run: RunConfig, seed: int) -> dict[Result, Node]:
    trained = of_run("train", run.id, seed)
    nodes = {trained: _training_node(study, run, trained, seed)}
    data = study.data_of(run.id)
    if run.evaluated:
        for kind, scales in SCALES.items():
            if scales == "single_scale" or study.settings.multi_scale is not None:
                result = of_run(kind, run.id, seed)
                nodes[result] = Node(
                    parameters={
                        "evaluation": study.evaluation(scales).parameters,
                        "split": data.evaluate,
                        **data.classes("classes", "foreground"),
                    },
                    inputs=(trained, prepared(study, run.data, data.evaluate)),
                    variants=(run.head, run.backbone),
                    **rule_outputs(study.name, result.kind, result.name),
                )
    elif "cityscapes_test" in study.settings.data:
        result = of_run("export", run.id, seed)
        nodes[result] = Node(
            parameters={"evaluation": study.evaluation(study.export_scales).parameters},
            inputs=(trained, prepared(study, "cityscapes_test", study.role("cityscapes_test").predict)),
            variants=(run.head, run.backbone),
            **rule_outputs(study.name, result.kind, result.name),
        )
    return nodes


def _training_node(study: Study, run: RunConfig, result: Result, seed: int) -> Node:
    sampled = study.centroids_of(run.id)
    splits = [*((run.data, split) for split in study.training_splits(run.id)), *(part[:2] for part in sampled)]
    inputs = [prepared(study, *part) for part in splits] + [centroids(study, *part) for part in sampled]
    inputs += [] if run.start is None else [of_run("train", run.start, seed)]
    entry = study.initial_weights(run.id)
    return Node(
        parameters={**study.training_parameters(run.id), "seed": seed},
        inputs=tuple(dict.fromkeys(inputs)),
        files=() if entry is None else (paths.weights_record(entry),),
        variants=(run.head, run.backbone),
        **rule_outputs(study.name, result.kind, result.name),
    )


def _measurement_node(study: Study, run: RunConfig, seed: int) -> Node:
    data = study.data_of(run.id)
    splits = dict.fromkeys((data.train, data.evaluate))
    return Node(
        parameters={
            "evaluation": study.evaluation("single_scale").parameters,
            "split": data.evaluate,
            **data.classes("classes", "foreground"),
        },
        inputs=(of_run("train", run.id, seed), *(prepared(study, run.data, split) for split in splits)),
        variants=(run.head, run.backbone),
        **rule_outputs(study.name, "measure", of_run("measure", run.id, seed).name),
    )


def _table_node(study: Study, name: str) -> Node:
    table = study.table(name)
    kind = next(kind for kind, scales in SCALES.items() if scales == table.evaluation)
    runs = [study.run(run) for run in study.compared_runs(name)]
    server = (paths.SERVER_SCORES,) if "test_miou" in table.columns else ()
    fewer = {run.id: number for run in runs if (number := study.settings.fewer_seeds.get(run.id)) is not None}
    return Node(
        parameters={
            "table": table.model_dump(exclude_none=True),
            "runs": {run.id: run.model_dump() for run in runs},
            "training": {run.id: study.training_of(run.id).model_dump() for run in runs},
            "quoted": {row: study.quoted[row].model_dump() for row in table.rows if row in study.quoted},
            "evaluation": study.evaluation(table.evaluation).parameters,
            "data": study.data_of_table(name).model_dump(),
            **study.data_of_table(name).classes("classes", "foreground"),
            **_caption_parameters(study),
            **({"fewer_seeds": fewer} if fewer else {}),
        },
        inputs=tuple(
            of_run(kind if run.evaluated else "export", run.id, seed) for run in runs for seed in study.seeds_of(run.id)
        ),
        files=(*(() if study.is_own(name) else (paths.reported_file(name),)), *server),
        **rule_outputs(study.name, "table", name),
    )


def _figure_node(study: Study, name: str) -> Node:
    runs = [study.run(run) for run in dict(study.figure_runs).values()]
    return Node(
        parameters={
            "figure": study.figure(name).model_dump(exclude_defaults=True),
            "runs": {run.id: run.model_dump() for run in runs},
            "data": study.data.model_dump(),
            **study.data.classes("classes", "foreground", "palette"),
            **_caption_parameters(study),
        },
        inputs=tuple(
            of_run("measure" if study.figure(name).shows == "measurements" else "evaluate", run.id, seed)
            for run in runs
            for seed in study.seeds_of_figure(name, run.id)
        ),
        variants=(name,),
        **rule_outputs(study.name, "figure", name),
    )


def _versioned(listed: Path | None) -> tuple[Path, ...]:
    """Return a list of files if it is in the repository; others are raw data."""
    return (listed,) if listed is not None and listed.is_relative_to(paths.PARAMS) else ()


def _caption_parameters(study: Study) -> dict:
    settings = study.settings
    return {"description": settings.description, "width": settings.width, "seeds": settings.seeds}
