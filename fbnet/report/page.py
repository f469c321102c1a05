"""A study as one self-contained HTML page: tables, figures, training curves, runs and provenance."""

import base64
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.config.registry import backbone_title
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.data.packed import split_images
from fbnet.errors import InputError
from fbnet.io.files import write_text
from fbnet.provenance.graph import Result
from fbnet.report import captions, curves, layout, records
from fbnet.report.histories import History, read_history
from fbnet.report.records import Entry
from fbnet.report.tables import make_table

TEMPLATE = "page.html.jinja"
HASH_DIGITS = 12  # of a hash in a list


def write_page(study: Study) -> Path:
    """Write a study's page and return its path. Raises InputError for damaged histories and records."""
    path = paths.report_file(study.name)
    write_text(path, make_page(study))
    return path


def make_page(study: Study) -> str:
    """Return a study's page as HTML, deterministic to the byte. Raises InputError as `write_page`."""
    entries = records.entries(study)
    by_result = {entry.result: entry for entry in entries}
    loader = PackageLoader("fbnet.report", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["short"] = lambda digits: digits[:HASH_DIGITS]
    environment.filters["time"] = lambda time: time.replace("T", " ").replace("+00:00", " UTC")
    environment.filters["display_name"] = captions.display_name
    evaluated = [study.data_of(run.id) for run in study.runs.values() if run.evaluated]
    return environment.get_template(TEMPLATE).render(
        study=study,
        layout=layout,
        synthetic=[data.dataset for data in study.settings.data.values() if data.synthetic is not None],
        comparisons=list(dict.fromkeys(captions.comparison(study, data) for data in evaluated)),
        facts=_facts(study),
        tables=[_table(study, name, by_result[Result("table", name)]) for name in study.tables],
        figures=[_figure(study, name, by_result[Result("figure", name)]) for name in study.figures],
        curves=_curves(study),
        runs=[_run(study, run) for run in study.runs.values()],
        groups=_provenance(study, entries),
        states={state: sum(entry.state == state for entry in entries) for state in records.STATES},
    )


def _facts(study: Study) -> dict[str, list[str]]:
    """Settings of the study by term."""
    settings, training = study.settings, study.settings.training
    recipe = (
        f"crop {training.crop[0]} × {training.crop[1]}, batch {training.batch_size}, {training.epochs} epochs, "
        f"learning rate {training.learning_rate:g}"
    )
    others = [f"recipe {name}: {entry.epochs} epochs" for name, entry in settings.recipes.items()]
    return {
        "Data": [_data(role, data) for role, data in settings.data.items()],
        "Networks": [f"{len(study.runs)} runs, {captions.width(study)}"],
        "Training": [recipe, *map(str, training.recipe), *others],
        "Seeds": [", ".join(map(str, settings.seeds)), *_fewer_seeds(study)],
        "Declared in": [str(paths.study_file(study.name)), str(paths.RUNS_FILE)],
    }


def _fewer_seeds(study: Study) -> list[str]:
    return [f"{run}: {', '.join(map(str, study.seeds_of(run)))}" for run in study.settings.fewer_seeds]


def _data(role: str, data: DataConfig) -> str:
    counts = {split: split_images(data, split) for split in data.splits}
    splits = ", ".join(f"{split} ({'unknown' if count is None else count} images)" for split, count in counts.items())
    substitute = "" if data.dataset == role else f", in place of {role}"
    return f"{data.dataset}{substitute}: {splits}"


def _table(study: Study, name: str, entry: Entry) -> dict:
    """A table remade from its metrics if its files exist, else the reason why it is missing."""
    title, files = study.table(name).title, paths.table_files(study.name, name)
    section = {"name": name, "title": title, "table": None, "entry": entry}
    if not all(path.is_file() for path in files):
        return section | {"missing": f"Not made yet: no {', '.join(map(str, files))}."}
    try:
        table = make_table(study, name)
    except InputError as error:
        return section | {"missing": f"Not shown: {error}."}
    return section | {"table": table, "caption": table.caption.removeprefix(f"{title}. ")}


def _figure(study: Study, name: str, entry: Entry) -> dict:
    # The PNG, because the SVG's text depends on the fonts that are installed.
    path = next(path for path in paths.figure_files(study.name, name) if path.suffix == ".png")
    image = _data_url(path.read_bytes(), "png") if path.is_file() else None
    return {"name": name, "title": study.figure(name).title, "image": image, "file": path, "entry": entry}


def _curves(study: Study) -> list[dict]:
    histories: dict[str, dict[int, History]] = {run: {} for run in study.runs}
    for run, by_seed in histories.items():
        for seed in study.seeds_of(run):
            if history := read_history(paths.history_file(study.name, run, seed)):
                by_seed[seed] = history
    limits = curves.loss_range(history for by_seed in histories.values() for history in by_seed.values())
    return [_run_curves(study, run, by_seed, limits) for run, by_seed in histories.items()]


def _run_curves(study: Study, run: str, histories: dict[int, History], limits: tuple[float, float]) -> dict:
    missing = ", ".join(str(seed) for seed in study.seeds_of(run) if seed not in histories)
    last = {seed: history[-1] for seed, history in histories.items()}
    final = ", ".join(f"{record.loss:.3f} with seed {seed}" for seed, record in last.items())
    return {
        "run": study.run(run),
        "image": _data_url(curves.draw_curves(histories, limits), "svg+xml") if histories else None,
        "alternative": f"Loss of {run} over its epochs, at the end {final}",
        "length": ", ".join(dict.fromkeys(f"{record.iteration:,} iterations" for record in last.values())),
        "missing": missing and f"seed {missing} under {paths.history_file(study.name, run, 0).parents[1]}",
    }


def _data_url(content: bytes, kind: str) -> str:
    """A URL that contains an image; `kind` such as `svg+xml`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _run(study: Study, run: RunConfig) -> dict:
    """A run with the tables and figures that show it, and those that need it for a baseline or a start."""
    splits = " + ".join(study.training_splits(run.id)) + (" + coarse" if run.coarse_classes else "")
    shown = [name for name in study.tables if run.id in study.table(name).rows]
    needed = [name for name in study.tables if run.id in study.runs_of_table(name)]
    if study.figures:  # without figures, a study may lack their runs
        figure_runs = (study.figure_runs.baseline, study.figure_runs.fbnet)
        shown += study.figures if run.id in figure_runs else []
        needed += study.figures if any(run.id in study.ancestors(name) for name in figure_runs) else []
    return {
        "run": run,
        "network": f"{run.label}, {backbone_title(run.backbone)}",
        "data": f"{study.data_of(run.id).dataset}, {splits}",
        "shown": [captions.display_name(name) for name in shown],
        "needed": [captions.display_name(name) for name in needed if name not in shown],
    }


def _provenance(study: Study, entries: Iterable[Entry]) -> list[tuple[str, str, list[Entry]]]:
    """Records by what they belong to: id, title and entries."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        run = entry.result.name.partition("/")[0]
        if run in study.runs:
            key = (f"run_{run}", run)
        elif entry.result.kind in ("table", "figure"):
            key = ("reports", "Tables and figures")
        else:
            key = ("data", "Data")
        groups.setdefault(key, []).append(entry)
    return [(*key, found) for key, found in groups.items()]
