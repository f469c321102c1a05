"""Subcommands for data and initial weights."""

from collections.abc import Iterable
from pathlib import Path

import click

from fbnet.cli.options import option, path_type, role_option, split_option, study_option
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.provenance import graph
from fbnet.provenance.recording import recording

commands = click.Group()


@commands.command()
@click.argument("folder", type=path_type)
@option("--name", help="Name of the data set; by default that of the folder.")
def init_dataset(folder: Path, name: str | None) -> None:
    """Look at a FOLDER of images and label maps, and write a draft of params/datasets/NAME.yaml.

    The draft says what was found: pairs, sizes, label values or colours, and what does not fit.
    """
    from fbnet.data.draft import write_draft

    file, found = write_draft(folder, name)
    for line in found.misfits:
        click.echo(f"does not fit: {line}", err=True)
    splits = ", ".join(f"{len(split.names)} pairs in {split.images.glob}" for split in found.splits)
    click.echo(f"wrote {file}: {splits}; name its {len(found.pixels)} label values, and check the rest", err=True)


@commands.command()
@study_option
@role_option
@split_option
def prepare(study: Study, role: str | None, split: str | None) -> None:
    """Check and pack a study's raw data; draw them first if they are synthetic."""
    from fbnet.data.prepare import prepare as prepare_data

    chosen = _chosen(study.splits, role, split)
    if not chosen:
        known = ", ".join(map(" ".join, study.splits))
        raise InputError(f"study {study.name}: no split of this name; choose --data and --split from {known}")
    for name, part in chosen:
        with recording(graph.build_graph(study), graph.prepared(study, name, part)):
            click.echo(f"prepared {prepare_data(study.role(name), part)}", err=True)


@commands.command()
@study_option
@role_option
@split_option
@option("--tile", type=int, help="Tiles of this size in pixels only.")
def centroids(study: Study, role: str | None, split: str | None, tile: int | None) -> None:
    """Compute the class centroids of a study's prepared training images, for class-uniform sampling."""
    from fbnet.data.centroids import write_centroids

    chosen = _chosen(study.centroids, role, split, tile)
    if not chosen:
        asked = " ".join(filter(None, (role, split, tile and f"in tiles of {tile}"))) or "any data"
        raise InputError(f"study {study.name}: no run is sampled by class from {asked}; see class_uniform")
    for name, part, side in chosen:
        with recording(graph.build_graph(study), graph.centroids(study, name, part, side)):
            click.echo(f"found {write_centroids(study.role(name), part, side)}", err=True)


@commands.command()
@study_option
def fetch_weights(study: Study) -> None:
    """Download a study's initial weights, where possible, and record their hashes."""
    from fbnet.models.weight_files import entries, fetch, record, summary

    for entry in entries(study):
        fetch(entry)
        click.echo(summary(record(entry)), err=True)


@commands.command()
@click.argument("entry")
def record_weights(entry: str) -> None:
    """Record a file of initial weights, or check it against its record.

    ENTRY is a value of `training.initial_weights`: a path, or the name of one of torchvision's weights.
    """
    from fbnet.models.weight_files import record, summary

    click.echo(summary(record(entry)), err=True)


@commands.command()
@study_option
def large_files(study: Study) -> None:
    """List a study's large files that exist, for `dvc add`: prepared data, checkpoints, samples, exports."""
    for path in graph.large_files(study):
        if path.exists():
            click.echo(path)


@commands.command()
@option("--yes", is_flag=True, help="Do not ask.")
def clean(yes: bool) -> None:
    """Remove packed data that no study of params/studies/ uses, with their records."""
    from fbnet.planning.text import unused_text
    from fbnet.planning.unused import remove, unused_splits

    found = unused_splits()
    click.echo(unused_text(found) or "no unused packed data")
    if found and (yes or click.confirm("Remove them?")):
        for entry in found:
            remove(entry)


def _chosen(parts: Iterable[tuple], *wanted: object) -> list[tuple]:
    """Return the parts whose entries are the wanted ones; None wants any."""
    return [part for part in parts if all(want in (None, entry) for want, entry in zip(wanted, part, strict=True))]
