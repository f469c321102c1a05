"""Loads and checks `params/`: runs, studies and machines."""

from fbnet import paths
from fbnet.config.base import mapping, refuse, validating
from fbnet.config.hardware import HARDWARE_FILE, Hardware
from fbnet.config.registry import backbone_entry
from fbnet.config.runs import COLUMNS, DESCRIPTIONS, RunConfig, RunsFile, TableConfig, ancestors, check_names
from fbnet.config.study import Study, StudyFile
from fbnet.config.training import OUTPUT_STRIDE, TrainingConfig
from fbnet.errors import InputError
from fbnet.io.yaml_file import read_yaml
from fbnet.names import WORD, is_word


def load_runs() -> RunsFile:
    """Load `params/runs.yaml`. Raises InputError."""
    content = read_yaml(paths.RUNS_FILE)
    with validating(paths.RUNS_FILE):
        defaults = mapping(content.pop("defaults", {}), "defaults")
        balance = mapping(defaults.get("balance", {}), "defaults.balance")
        runs = mapping(content.get("runs"), "runs")
        content["runs"] = {name: {**defaults, **mapping(run, f"runs.{name}"), "id": name} for name, run in runs.items()}
        for name, run in content["runs"].items():
            run["balance"] = {**balance, **mapping(run.get("balance", {}), f"runs.{name}.balance")}
        return RunsFile.model_validate(content)


def load_study(name: str) -> Study:
    """Load a study with its runs, tables and figures. Raises InputError."""
    if not is_word(name):
        raise InputError(f"study {name!r}: {WORD}; choose one of {paths.STUDIES}")
    file = paths.study_file(name)
    if not file.is_file():
        choices = ", ".join(sorted(file.stem for file in paths.STUDIES.glob("*.yaml")))
        raise InputError(f"{file}: no such study {name!r}; choose from {choices or 'none: run in the repository root'}")
    content = read_yaml(file)
    with validating(file):
        training = mapping(content.get("training"), "training")
        recipes = mapping(content.get("recipes", {}), "recipes")
        content["recipes"] = {
            recipe: {**training, **mapping(delta, f"recipes.{recipe}")} for recipe, delta in recipes.items()
        }
        return _resolve(name, _with_suggested_tiles(StudyFile.model_validate(content)), load_runs())


def load_hardware(name: str | None = None) -> Hardware:
    """Load a machine of `params/hardware.yaml`, by default the first. Raises InputError."""
    content = read_yaml(paths.HARDWARE_FILE)
    with validating(paths.HARDWARE_FILE):
        entries = {key: {**mapping(entry, str(key)), "name": key} for key, entry in content.items()}
        machines = HARDWARE_FILE.validate_python(entries)
    if name is not None and name not in machines:
        raise InputError(f"{paths.HARDWARE_FILE}: no hardware {name!r}; choose from {', '.join(machines)}")
    return machines[next(iter(machines)) if name is None else name]


def _with_suggested_tiles(settings: StudyFile) -> StudyFile:
    """Return a study with the tiles that its datasets suggest where its trainings name none."""
    suggested = {role: data.entry.tile for role, data in settings.data.items() if data.entry.tile is not None}

    def filled(training: TrainingConfig) -> TrainingConfig:
        sampling = training.class_uniform
        if sampling is None or not suggested:
            return training
        tiles = sampling.model_copy(update={"tile": {**suggested, **sampling.tile}})
        return training.model_copy(update={"class_uniform": tiles})

    recipes = {name: filled(training) for name, training in settings.recipes.items()}
    return settings.model_copy(update={"training": filled(settings.training), "recipes": recipes})


def _resolve(name: str, settings: StudyFile, declared: RunsFile) -> Study:
    """Look up everything that a study names; raises a validation error for what is not there or does not fit."""
    chosen = _study_runs(settings, declared)
    tables = _study_tables(settings, declared, chosen)
    for run in chosen:
        _check_run(settings, declared.runs[run])
    _check_fewer_seeds(settings, declared, chosen)
    figure_runs = settings.figure_runs or declared.figure_runs
    check_names(settings.figures, declared.figures, "figures")
    if settings.figures:
        check_names(dict(figure_runs).values(), chosen, "figure_runs")
    return Study(
        name=name,
        settings=settings,
        runs={run: config for run, config in declared.runs.items() if run in chosen},
        quoted=declared.quoted,
        tables=tables,
        figures={figure: declared.figures[figure] for figure in settings.figures},
        figure_runs=figure_runs,
    )


def _study_runs(settings: StudyFile, declared: RunsFile) -> tuple[str, ...]:
    """Return the runs that a study names, or those of its tables and figures that it has data and recipes for.

    Runs that these start from are among them.
    """
    missing = {name: _missing(settings, declared, name) for name in declared.runs}
    check_names(settings.runs, declared.runs, "runs")
    for name in settings.runs:
        if missing[name]:
            raise refuse(f"{name} needs {missing[name]}", "runs")
    named = settings.runs or [name for name in _shown_runs(settings, declared) if not missing[name]]
    return tuple(dict.fromkeys(run for name in named for run in ancestors(declared.runs, name)))


def _shown_runs(settings: StudyFile, declared: RunsFile) -> tuple[str, ...]:
    """Return the runs that a study's tables and figures show, in the order of `params/runs.yaml`."""
    check_names(settings.tables, declared.tables, "tables")
    tables = [*(declared.tables[name] for name in settings.tables), *settings.own_tables.values()]
    shown = {row for table in tables for row in table.rows}
    shown |= {run.baseline for name, run in declared.runs.items() if name in shown}
    figure_runs = settings.figure_runs or declared.figure_runs
    shown |= set(dict(figure_runs).values()) if settings.figures else set()
    return tuple(name for name in declared.runs if name in shown)


def _missing(settings: StudyFile, declared: RunsFile, name: str) -> str | None:
    """Return the first part that a run, or one that it starts from, needs and the study does not have."""
    for run in (declared.runs[name] for name in ancestors(declared.runs, name)):
        for role in run.roles:
            if role not in settings.data:
                return f"a dataset for data.{role}"
        if run.recipe is not None and run.recipe not in settings.recipes:
            return f"recipes.{run.recipe}"
    return None


def _check_run(settings: StudyFile, run: RunConfig) -> None:
    """Check that the study's training fits a run."""
    key = "training" if run.recipe is None else f"recipes.{run.recipe}"
    training = settings.training if run.recipe is None else settings.recipes[run.recipe]
    weights, data = training.class_weights, settings.data[run.data]
    if settings.width != 1 and not backbone_entry(run.backbone).has_width:
        raise refuse(f"must be 1 for {run.id}, as {run.backbone} has no width multiplier", "width")
    if any(side % (run.output_stride or OUTPUT_STRIDE) for side in training.crop):
        raise refuse(f"must be multiples of {run.output_stride}, the output stride of {run.id}", f"{key}.crop")
    reserved = {*DESCRIPTIONS, *COLUMNS, "run", "seeds"} & set(data.labels.classes)
    if reserved:
        raise refuse(f"{data.dataset} has a class {min(reserved)!r}, which names a column of tables; rename it", "data")
    if weights is not None and len(weights) != len(data.labels.classes):
        raise refuse(
            f"holds {len(weights)} numbers, but {data.dataset} has {len(data.labels.classes)} classes; give one for "
            f"each of {', '.join(data.labels.classes)}",
            f"{key}.class_weights",
        )
    if run.start is None and training.initial_weights is not None and run.backbone not in training.initial_weights:
        raise refuse(f"has no file for {run.backbone}, which {run.id} needs", f"{key}.initial_weights")
    if training.class_uniform is None and run.coarse_classes:
        raise refuse(f"must be on for {run.id}, whose coarse classes are drawn by class", f"{key}.class_uniform")
    with validating(paths.RUNS_FILE):
        check_names(run.coarse_classes, data.labels.classes, f"runs.{run.id}.coarse_classes")
    if training.class_uniform is not None:
        for role in (run.data, *(("cityscapes_coarse",) if run.coarse_classes else ())):
            if role not in training.class_uniform.tile:
                problem = f"has no side for {role}, which {run.id} is trained on"
                raise refuse(problem, f"{key}.class_uniform.tile")


def _check_fewer_seeds(settings: StudyFile, declared: RunsFile, chosen: tuple[str, ...]) -> None:
    """Check that no run is trained with a seed that the run it starts from lacks."""
    check_names(settings.fewer_seeds, chosen, "fewer_seeds")
    counts = {run: settings.fewer_seeds.get(run, len(settings.seeds)) for run in chosen}
    for run in chosen:
        start = declared.runs[run].start
        if start is not None and counts[start] < counts[run]:
            raise refuse(f"must be at least the {counts[run]} of {run}, which starts from it", f"fewer_seeds.{start}")


def _study_tables(settings: StudyFile, declared: RunsFile, names: tuple[str, ...]) -> dict[str, TableConfig]:
    """Return the study's tables without the rows of runs that it does not train."""
    check_names(settings.tables, declared.tables, "tables")
    for name, table in settings.own_tables.items():
        if name in declared.tables:
            raise refuse("is a table of the paper; choose another name", f"own_tables.{name}")
        declared.check_rows(table, f"own_tables.{name}.rows")
    tables = {}
    for name, table in {**{name: declared.tables[name] for name in settings.tables}, **settings.own_tables}.items():
        if not set(table.rows) & set(names):
            runs = ", ".join(row for row in table.rows if row in declared.runs)
            raise refuse(f"{name} would have no row; it needs one of the runs {runs}", "tables")
        if table.evaluation == "multi_scale" and settings.multi_scale is None:
            raise refuse(f"is missing; {name} needs its scales", "multi_scale")
        rows = tuple(row for row in table.rows if row in {*names, *declared.quoted})
        if table.baseline is not None:
            key = "own_tables" if name in settings.own_tables else "tables"
            check_names([table.baseline], [row for row in rows if row in names], f"{key}.{name}.baseline")
        tables[name] = table.model_copy(update={"rows": rows})
    return tables
