"""Which result is made from what: the one declaration that the workflow, provenance and audit read.

A result is what one job leaves behind: a prepared data set, a trained network, an evaluation, a table. Nothing here
imports torch or touches a file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fbnet import paths
from fbnet.config.datasets import Role
from fbnet.config.evaluation import Scales
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study

Kind = Literal["prepare", "centroids", "train", "evaluate", "evaluate_multi_scale", "export", "table", "figure"]
SCALES: dict[str, Scales] = {"evaluate": "single_scale", "evaluate_multi_scale": "multi_scale"}


@dataclass(frozen=True, order=True)
class Result:
    """One job's result."""

    kind: Kind
    name: str
    """The data set for prepared data, `<run>/seed<k>` for what comes of a run, the table or figure."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name.replace('/', ' ')}"


@dataclass(frozen=True)
class Node:
    """What a study says of a result."""

    parameters: dict
    """Everything of `params/` that it depends on."""
    inputs: tuple[Result, ...]
    """The results that it is made from."""
    outputs: tuple[Path, ...]
    """The files that it is known by: two results of equal files are the same."""
    files: tuple[Path, ...] = ()
    """Versioned files that it is made from besides."""
    choices: tuple[str, ...] = ()
    """What it takes of the code where there is a choice: reader, head and backbone, figure."""


def of_run(kind: Kind, run: str, seed: int | str) -> Result:
    """What one training, evaluation or export of a run leaves behind."""
    return Result(kind, f"{run}/seed{seed}")


def prepared(study: Study, role: Role) -> Result:
    """The prepared data of one of a study's data sets."""
    return Result("prepare", study.role(role).dataset)


def centroids(study: Study, role: Role) -> Result:
    """The centroids of a data set's classes."""
    return Result("centroids", study.role(role).dataset)


def declare(study: Study) -> dict[Result, Node]:
    """All results of a study, each after those that it is made from."""
    declared: dict[Result, Node] = {}
    for role in study.settings.data:
        declared |= _data(study, role)
    for run in _parents_first(study):
        for seed in study.settings.seeds:
            declared |= _run(study, run, seed)
    for table in study.tables:
        declared[Result("table", table)] = _table(study, table)
    for figure in study.figures:
        declared[Result("figure", figure)] = _figure(study, figure)
    return declared


def large_files(study: Study) -> list[Path]:
    """What is versioned apart from git: folders of prepared data, checkpoints, the pictures' arrays, predictions."""
    found = [paths.prepared_dir(data.dataset) for data in study.settings.data.values()]
    for run in study.runs:
        for seed in study.settings.seeds:
            files = (paths.checkpoint_file, paths.samples_file, paths.export_file)
            found += [file(study.name, run, seed) for file in files]
    return found


def _data(study: Study, role: Role) -> dict[Result, Node]:
    data, made = study.role(role), prepared(study, role)
    declared = {
        made: Node(
            parameters={**data.source, "splits": data.splits},
            inputs=(),
            outputs=(paths.manifest_file(data.dataset),),
            choices=(data.dataset,),
        )
    }
    tiles = sorted({part[1:] for run in study.runs for part in study.centroids_of(run) if part[0] == role})
    if tiles:
        outputs = tuple(paths.centroids_file(data.dataset, split, tile) for split, tile in tiles)
        declared[centroids(study, role)] = Node({"tiles": tiles}, (made,), outputs)
    return declared


def _run(study: Study, run: RunConfig, seed: int) -> dict[Result, Node]:
    trained = of_run("train", run.id, seed)
    declared = {trained: _training(study, run, seed)}
    if run.evaluated:
        for kind, scales in SCALES.items():
            if scales == "single_scale" or study.settings.multi_scale is not None:
                declared[of_run(kind, run.id, seed)] = _evaluation(study, run, seed, scales)
    elif "cityscapes_test" in study.settings.data:
        parameters = {"evaluation": study.evaluation(study.export_scales).model_dump()}
        inputs = (trained, prepared(study, "cityscapes_test"))
        outputs = (paths.export_file(study.name, run.id, seed),)
        choices = (run.head, run.backbone)
        declared[of_run("export", run.id, seed)] = Node(parameters, inputs, outputs, choices=choices)
    return declared


def _training(study: Study, run: RunConfig, seed: int) -> Node:
    roles = dict.fromkeys([run.data, *(part[0] for part in study.centroids_of(run.id))])
    inputs = [prepared(study, role) for role in roles]
    inputs += [centroids(study, role) for role in dict.fromkeys(part[0] for part in study.centroids_of(run.id))]
    inputs += [] if run.start is None else [of_run("train", run.start, seed)]
    entry = study.initial_weights(run.id)
    return Node(
        parameters={**study.training_parameters(run.id), "seed": seed},
        inputs=tuple(inputs),
        outputs=(paths.checkpoint_file(study.name, run.id, seed),),
        files=() if entry is None else (paths.weights_record(entry),),
        choices=(run.head, run.backbone),
    )


def _evaluation(study: Study, run: RunConfig, seed: int, scales: Scales) -> Node:
    outputs = [paths.metrics_file(study.name, run.id, seed, scales)]
    if scales == "single_scale":
        outputs.append(paths.samples_file(study.name, run.id, seed))
    return Node(
        parameters={"evaluation": study.evaluation(scales).model_dump(), "split": study.data_of(run.id).evaluate},
        inputs=(of_run("train", run.id, seed), prepared(study, run.data)),
        outputs=tuple(outputs),
        choices=(run.head, run.backbone),
    )


def _table(study: Study, name: str) -> Node:
    table = study.table(name)
    kind = next(kind for kind, scales in SCALES.items() if scales == table.evaluation)
    runs = [study.run(run) for run in study.compared_runs(name)]
    server = (paths.SERVER_SCORES,) if "test_miou" in table.columns else ()
    return Node(
        parameters={
            "table": table.model_dump(),
            "runs": {run.id: run.model_dump() for run in runs},
            "training": {run.id: study.training_of(run.id).model_dump() for run in runs},
            "quoted": {row: study.quoted[row].model_dump() for row in table.rows if row in study.quoted},
            "evaluation": study.evaluation(table.evaluation).model_dump(),
            "data": study.data_of_table(name).model_dump(),
            **_study_words(study),
        },
        inputs=tuple(
            of_run(kind if run.evaluated else "export", run.id, seed) for run in runs for seed in study.settings.seeds
        ),
        outputs=(*paths.table_files(study.name, name), paths.table_metrics_file(study.name, name)),
        files=(paths.reported_file(name), *server),
    )


def _figure(study: Study, name: str) -> Node:
    runs = [study.run(run) for run in dict(study.figure_runs).values()]
    seed = study.settings.seeds[0]
    return Node(
        parameters={
            "figure": study.figure(name).model_dump(),
            "runs": {run.id: run.model_dump() for run in runs},
            "data": study.data.model_dump(),
            **_study_words(study),
        },
        inputs=tuple(of_run("evaluate", run.id, seed) for run in runs),
        outputs=tuple(paths.figure_files(study.name, name)),
        choices=(name,),
    )


def _study_words(study: Study) -> dict:
    """What captions say of a study."""
    settings = study.settings
    return {"description": settings.description, "width": settings.width, "seeds": settings.seeds}


def _parents_first(study: Study) -> list[RunConfig]:
    return [study.run(run) for run in dict.fromkeys(link for name in study.runs for link in study.ancestors(name))]
