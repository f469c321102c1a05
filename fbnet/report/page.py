"""A study as one HTML page that needs neither network nor scripts: tables, figures, training curves, the runs, and
what everything was made from. It shows what there is, and says what is missing."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.data.packed import split_images
from fbnet.io.files import write_text
from fbnet.report import captions, curves, records, run_graph
from fbnet.report.curves import History
from fbnet.report.made_tables import MadeTable, read_table
from fbnet.report.records import Entry

TEMPLATE = "page.html.jinja"
SHORT = 12  # digits of a hash, where it stands in a list


@dataclass(frozen=True)
class Table:
    """A table of the study, made or not."""

    name: str
    lead: str
    title: str
    made: MadeTable | None
    caption: str
    """Without the title."""
    files: tuple[str, ...]
    entry: Entry


@dataclass(frozen=True)
class Picture:
    """A figure of the study, drawn or not."""

    name: str
    lead: str
    title: str
    image: str | None
    """As an image's address, the picture in it."""
    file: str
    entry: Entry


@dataclass(frozen=True)
class Curves:
    """A run's training."""

    run: RunConfig
    image: str | None
    """As an image's address; None where no seed has a history."""
    alternative: str
    """What is to be seen, in words."""
    length: str
    """How long it took."""
    missing: str
    """Whose histories are not there, and where they would be; empty where none is missing."""


def write_page(study: Study) -> Path:
    """Writes a study's page and returns where. Raises InputError for damaged tables, histories and records."""
    path = paths.report_file(study.name)
    write_text(path, make_page(study))
    return path


def make_page(study: Study) -> str:
    """A study's page as HTML, the same for the same files. Raises InputError as `write_page` does."""
    entries = records.entries(study)
    environment = Environment(
        loader=PackageLoader("fbnet.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = lambda digits: digits[:SHORT]
    return environment.get_template(TEMPLATE).render(
        study=study,
        drawn=_drawn(study),
        comparisons=tuple(dict.fromkeys(captions.comparison(study, data) for data in _evaluated(study))),
        facts=_facts(study),
        foreground=study.data.labels.foreground,
        tables=_tables(study, entries),
        pictures=_pictures(study, entries),
        curves=_curves(study),
        graph=run_graph.lay_out(study),
        groups=_groups(study, entries),
        states={state: sum(entry.state == state for entry in entries) for state in records.STATES},
    )


def _drawn(study: Study) -> tuple[str, ...]:
    """The data sets that are generated scenes."""
    return tuple(data.dataset for data in study.settings.data.values() if data.synthetic is not None)


def _evaluated(study: Study) -> tuple[DataConfig, ...]:
    return tuple(study.data_of(run) for run in study.runs if study.run(run).evaluated)


def _facts(study: Study) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What the study is, as terms with their descriptions."""
    settings, training = study.settings, study.settings.training
    width = "full width" if settings.width == 1 else f"{settings.width:g} of the full width"
    recipe = [
        f"crop {training.crop[0]} × {training.crop[1]}, batch {training.batch_size}, {training.epochs} epochs, "
        f"learning rate {training.learning_rate:g}",
        *map(str, training.recipe),
    ]
    others = [f"recipe {name}: {entry.epochs} epochs" for name, entry in settings.recipes.items()]
    return (
        ("Data", tuple(_data_words(role, data) for role, data in settings.data.items())),
        ("Networks", (f"{len(study.runs)} runs, {width}",)),
        ("Training", (*recipe, *others)),
        ("Seeds", (", ".join(map(str, settings.seeds)),)),
        ("Declared in", (str(paths.study_file(study.name)), str(paths.RUNS_FILE))),
    )


def _data_words(role: str, data: DataConfig) -> str:
    counts = {split: split_images(data, split) for split in data.splits}
    splits = ", ".join(f"{split} ({'unknown' if count is None else count} images)" for split, count in counts.items())
    stands = "" if data.dataset == role else f", in the place of {role}"
    return f"{data.dataset}{stands}: {splits}"


def _tables(study: Study, entries: Iterable[Entry]) -> tuple[Table, ...]:
    found = {entry.result.name: entry for entry in entries if entry.result.kind == "table"}
    return tuple(_table(study, name, found[name]) for name in study.tables)


def _table(study: Study, name: str, entry: Entry) -> Table:
    files = paths.table_files(study.name, name)
    markdown = next(path for path in files if path.suffix == ".md")
    made = read_table(name, markdown) if markdown.is_file() else None
    title = study.table(name).title
    return Table(
        name=name,
        lead=captions.lead(name),
        title=title,
        made=made,
        caption="" if made is None else made.caption.removeprefix(f"{title}. "),
        files=tuple(map(str, files)),
        entry=entry,
    )


def _pictures(study: Study, entries: Iterable[Entry]) -> tuple[Picture, ...]:
    found = {entry.result.name: entry for entry in entries if entry.result.kind == "figure"}
    return tuple(_picture(study, name, found[name]) for name in study.figures)


def _picture(study: Study, name: str, entry: Entry) -> Picture:
    # The png: a svg's text looks as meant only where its font is installed.
    path = next(path for path in paths.figure_files(study.name, name) if path.suffix == ".png")
    image = _as_image(path.read_bytes(), "png") if path.is_file() else None
    return Picture(name, captions.lead(name), study.figure(name).title, image, str(path), entry)


def _curves(study: Study) -> tuple[Curves, ...]:
    histories = {
        run: {seed: curves.read_history(paths.history_file(study.name, run, seed)) for seed in study.settings.seeds}
        for run in study.runs
    }
    there = {run: {seed: found for seed, found in seeds.items() if found} for run, seeds in histories.items()}
    limits = curves.loss_range(history for seeds in there.values() for history in seeds.values())
    return tuple(_run_curves(study, run, there[run], limits) for run in study.runs)


def _run_curves(study: Study, run: str, there: dict[int, History], limits: tuple[float, float]) -> Curves:
    missing = [seed for seed in study.settings.seeds if seed not in there]
    words = f"seed {', '.join(map(str, missing))} under {paths.history_file(study.name, run, 0).parents[1]}"
    image = _as_image(curves.draw_curves(there, limits), "svg+xml") if there else None
    last = [history[-1] for history in there.values()]
    return Curves(
        run=study.run(run),
        image=image,
        alternative=f"Loss of {run} over its epochs, at the end "
        + ", ".join(f"{record.loss:.3f} with seed {seed}" for seed, record in zip(there, last, strict=True)),
        length=", ".join(dict.fromkeys(f"{record.iteration:,} iterations" for record in last)),
        missing=words if missing else "",
    )


def _as_image(content: bytes, kind: str) -> str:
    """A picture as an image's address, so that the page needs no file beside it; `kind` such as `svg+xml`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _groups(study: Study, entries: Iterable[Entry]) -> tuple[tuple[str, str, tuple[Entry, ...]], ...]:
    """The records by what they belong to: id, title and entries."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        kind, run = entry.result.kind, entry.result.name.partition("/")[0]
        if run in study.runs:
            key = (f"run_{run}", run)
        elif kind in ("table", "figure"):
            key = ("reports", "Tables and figures")
        else:
            key = ("data", "Data")
        groups.setdefault(key, []).append(entry)
    return tuple((*key, tuple(found)) for key, found in groups.items())
