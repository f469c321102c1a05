"""Reads `params/`, checks it, and hands out the runs and studies of `fbnet.config.study`. Imports no torch."""

from dataclasses import replace

from fbnet import paths
from fbnet.config.hardware import Hardware
from fbnet.config.runs import RunConfig, RunsFile, TableConfig
from fbnet.config.strict import Where, from_mapping
from fbnet.config.study import Study, StudyFile
from fbnet.errors import InputError
from fbnet.io.yaml_file import read_yaml
from fbnet.names import WORD, is_word


def load_runs() -> RunsFile:
    """`params/runs.yaml`, checked. Raises InputError."""
    content = read_yaml(paths.RUNS_FILE)
    where = Where(str(paths.RUNS_FILE))
    defaults = content.pop("defaults", {})
    if not isinstance(content.get("runs"), dict) or not isinstance(defaults, dict):
        raise where.error("runs", "and defaults must hold keys and values")
    content["runs"] = {
        name: _with_defaults(name, delta, defaults, where.key("runs").key(name))
        for name, delta in content["runs"].items()
    }
    runs = from_mapping(RunsFile, content, where)
    _check_names(runs, where)
    return runs


def load_study(name: str) -> Study:
    """A study by its name, with its runs, tables and figures. Raises InputError."""
    if not is_word(name):
        raise InputError(f"study {name!r}: {WORD}; choose one of {paths.STUDIES}")
    path = paths.study_file(name)
    if not path.is_file():
        choices = ", ".join(sorted(file.stem for file in paths.STUDIES.glob("*.yaml")))
        raise InputError(f"{path}: no such study {name!r}; choose from {choices or 'none: run in the repository root'}")
    where = Where(str(path))
    settings = from_mapping(StudyFile, _with_recipes(read_yaml(path), where), where)
    settings.check(where)
    declared = load_runs()

    chosen = _study_runs(settings, declared, where)
    tables = _study_tables(settings, declared, chosen, where)
    for run in chosen:
        _check_run(settings, declared.runs[run], where)
    figure_runs = settings.figure_runs or declared.figure_runs
    if settings.figures:
        _chosen((figure_runs.baseline, figure_runs.fbnet), chosen, where.key("figure_runs"))
    return Study(
        name=name,
        settings=settings,
        runs={run: declared.runs[run] for run in declared.runs if run in chosen},
        quoted=declared.quoted,
        tables=tables,
        figures={
            figure: declared.figures[figure]
            for figure in _chosen(settings.figures, declared.figures, where.key("figures"))
        },
        figure_runs=figure_runs,
    )


def load_hardware(name: str | None = None) -> Hardware:
    """A machine of `params/hardware.yaml` by its name, by default the first. Raises InputError."""
    content, where = read_yaml(paths.HARDWARE_FILE), Where(str(paths.HARDWARE_FILE))
    machines = {key: _machine(key, entry, where.key(key)) for key, entry in content.items()}
    if not machines:
        raise where.error(None, "names no machine; describe one")
    if name is not None and name not in machines:
        raise InputError(f"{paths.HARDWARE_FILE}: no hardware {name!r}; choose from {', '.join(machines)}")
    return machines[next(iter(machines)) if name is None else name]


def _machine(name: object, content: object, where: Where) -> Hardware:
    if not is_word(name):
        raise where.error(None, WORD)
    if not isinstance(content, dict):
        raise where.error(None, "must hold keys and values")
    machine = from_mapping(Hardware, {**content, "name": name}, where)
    machine.check(where)
    return machine


def _with_defaults(name: str, delta: object, defaults: dict, where: Where) -> dict:
    if not isinstance(delta, dict):
        raise where.error(None, "must hold keys and values")
    balance, by_default = delta.get("balance", {}), defaults.get("balance", {})
    if not isinstance(balance, dict) or not isinstance(by_default, dict):
        raise where.error("balance", "must hold keys and values, here and in defaults")
    return {**defaults, **delta, "id": name, "balance": {**by_default, **balance}}


def _with_recipes(content: dict, where: Where) -> dict:
    """A study's content with its recipes made whole."""
    training, recipes = content.get("training"), content.get("recipes", {})
    if not isinstance(recipes, dict) or not isinstance(training, dict):
        raise where.error("training", "and recipes must hold keys and values")
    for name, delta in recipes.items():
        if not isinstance(delta, dict):
            raise where.key("recipes").error(name, "must hold keys and values")
    return {**content, "recipes": {name: {**training, **delta} for name, delta in recipes.items()}}


def _check_names(runs: RunsFile, where: Where) -> None:
    """Every run id is a plain word, as are the names of tables and figures, and every run that is named is declared."""
    for kind, named in {"quoted": runs.quoted, "tables": runs.tables, "figures": runs.figures}.items():
        for name in named:
            if not is_word(name):
                raise where.key(kind).error(name, WORD)
    for name, run in runs.runs.items():
        if not is_word(name) or "-" in name or not name.islower():
            raise where.key("runs").error(name, "must be of lower-case letters, digits and underscores, at most 100")
        run.check(where.key("runs").key(name))
        if run.baseline is not None:
            _chosen((run.baseline,), runs.runs, where.key("runs").key(name).key("baseline"))
        _check_start(run, runs.runs, where.key("runs").key(name).key("start"))
    for name, table in runs.tables.items():
        rows = where.key("tables").key(name).key("rows")
        _chosen(table.rows, {**runs.runs, **runs.quoted}, rows)
        if len({runs.runs[row].data for row in table.rows if row in runs.runs}) != 1:
            raise rows.error(None, "must hold runs on one data set, at least one of them")
    _chosen((runs.figure_runs.baseline, runs.figure_runs.fbnet), runs.runs, where.key("figure_runs"))


def _chosen(names: tuple[str, ...], choices, where: Where) -> tuple[str, ...]:
    for name in names:
        if name not in choices:
            raise where.error(None, f"no {name!r}; choose from {', '.join(choices)}")
    return names


def _check_start(run: RunConfig, runs: dict[str, RunConfig], where: Where) -> None:
    """A run starts from a declared run of the same network, and not, over others, from itself."""
    chain = [run.id]
    while (parent := runs[chain[-1]].start) is not None:
        _chosen((parent,), runs, where)
        if parent in chain:
            raise where.error(None, f"leads back to {parent}; a chain of runs needs a beginning")
        chain.append(parent)
    if run.start is not None and (runs[run.start].head, runs[run.start].backbone) != (run.head, run.backbone):
        raise where.error(None, f"{run.start} has another head or backbone; start from a run of the same network")


def _study_runs(settings: StudyFile, declared: RunsFile, where: Where) -> tuple[str, ...]:
    """The runs that a study names with those they start from, or all that it has data and recipe for."""
    lacking = {name: _lacks(settings, declared, name) for name in declared.runs}
    named = _chosen(settings.runs, declared.runs, where.key("runs"))
    for name in named:
        if lacking[name]:
            raise where.error("runs", f"{name} needs {lacking[name]}")
    if not named:
        return tuple(name for name, lack in lacking.items() if not lack)
    return tuple(dict.fromkeys(run for name in named for run in _chain(declared, name)))


def _chain(declared: RunsFile, name: str) -> tuple[str, ...]:
    parent = declared.runs[name].start
    return (name,) if parent is None else (*_chain(declared, parent), name)


def _lacks(settings: StudyFile, declared: RunsFile, name: str) -> str | None:
    """What a study does not have of what a run, or one that it starts from, needs."""
    for run in (declared.runs[name] for name in _chain(declared, name)):
        for role in run.roles:
            if role not in settings.data:
                return f"a data set for data.{role}"
        if run.recipe is not None and run.recipe not in settings.recipes:
            return f"recipes.{run.recipe}"
    return None


def _check_run(settings: StudyFile, run: RunConfig, where: Where) -> None:
    """What a study says of its training fits a run."""
    place = where.key("training") if run.recipe is None else where.key("recipes").key(run.recipe)
    training = settings.training if run.recipe is None else settings.recipes[run.recipe]
    weights, labels = training.class_weights, settings.data[run.data].labels
    if weights is not None and len(weights) != len(labels.classes):
        raise place.error(
            "class_weights",
            f"holds {len(weights)} numbers, but {settings.data[run.data].dataset} has {len(labels.classes)} classes; "
            f"give one for each of {', '.join(labels.classes)}",
        )
    if run.start is None and training.initial_weights is not None and run.backbone not in training.initial_weights:
        raise place.error("initial_weights", f"has no file for {run.backbone}, which {run.id} needs")
    if training.class_uniform is None and run.coarse_classes:
        raise place.error("class_uniform", f"must be on for {run.id}, whose coarse classes are drawn by class")
    for name in run.coarse_classes:
        _chosen((name,), labels.classes, Where(str(paths.RUNS_FILE)).key("runs").key(run.id).key("coarse_classes"))
    if training.class_uniform is not None:
        for role in {run.data, *(("cityscapes_coarse",) if run.coarse_classes else ())}:
            if role not in training.class_uniform.tile:
                raise place.key("class_uniform").error("tile", f"has no side for {role}, which {run.id} is trained on")


def _study_tables(
    settings: StudyFile, declared: RunsFile, names: tuple[str, ...], where: Where
) -> dict[str, TableConfig]:
    """The study's tables, without the rows of runs that it does not train."""
    tables = {}
    for name in _chosen(settings.tables, declared.tables, where.key("tables")):
        table = declared.tables[name]
        if not set(table.rows) & set(names):
            runs = ", ".join(row for row in table.rows if row in declared.runs)
            raise where.error("tables", f"{name} would have no row; it needs one of the runs {runs}")
        if table.evaluation == "multi_scale" and settings.multi_scale is None:
            raise where.error("multi_scale", f"is missing; {name} needs its scales")
        tables[name] = replace(table, rows=tuple(row for row in table.rows if row in {*names, *declared.quoted}))
    return tables
