"""The `fbnet` command. Each subcommand does one step of one study; bad input ends in one line and exit code 2."""

import json
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import click
from tabulate import tabulate

from fbnet import log, paths
from fbnet.config.load import load_hardware, load_study
from fbnet.config.registry import DATASETS
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.config.training import Precision
from fbnet.errors import InputError, of_system
from fbnet.provenance import graph, sources
from fbnet.provenance.recording import recording
from fbnet.provenance.records import fingerprint

# torch is imported by the subcommands that need it: it takes seconds, and `fbnet --help` should not.

logger = logging.getLogger(__name__)
option = partial(click.option, show_default=True)
path_type = click.Path(path_type=Path)
_json = partial(json.dumps, indent=1)
study_option = option(
    "--study",
    default="demo",
    callback=lambda _context, _option, name: load_study(name),
    help="A study of params/studies/.",
)
run_option = option("--run", "run_id", required=True, help="A run of params/runs.yaml.")
seed_option = option("--seed", type=int, help="A seed of the study; by default its first.")
role_option = option("--data", "role", help="One of the paper's data sets only, such as cityscapes.")
split_option = option("--split", help="One split only, such as train.")
device_option = option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute.")
json_option = partial(option, "--json", "as_json", is_flag=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="fbnet", prog_name="fbnet")
@option("--debug", is_flag=True, help="Show tracebacks of bad input.")
def cli(debug: bool) -> None:
    """Reproduce FBNet (Gan et al., 2021): prepare data, train and evaluate runs, make tables and figures.

    `snakemake --cores all --config study=NAME` runs all of this in the right order.
    """


@cli.command()
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


@cli.command()
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


@cli.command()
@study_option
def fetch_weights(study: Study) -> None:
    """Download a study's initial weights, where possible, and record their hashes."""
    from fbnet.models.weight_files import entries, fetch, record, summary

    for entry in entries(study):
        fetch(entry)
        click.echo(summary(record(entry)), err=True)


@cli.command()
@click.argument("entry")
def record_weights(entry: str) -> None:
    """Record a file of initial weights, or check it against its record.

    ENTRY is a value of `training.initial_weights`: a path, or the name of one of torchvision's weights.
    """
    from fbnet.models.weight_files import record, summary

    click.echo(summary(record(entry)), err=True)


@cli.command()
@study_option
@run_option
@seed_option
@device_option
@option("--gpus", type=click.IntRange(min=1), default=1, help="GPUs that share each batch.")
@option("--workers", type=click.IntRange(min=0), default=4, help="Loader processes per GPU; a CPU uses none.")
@option("--keep-every", type=click.FloatRange(min=0), default=10, help="Minutes between two resume states.")
def train(study: Study, run_id: str, seed: int | None, device: str, gpus: int, workers: int, keep_every: float) -> None:
    """Train one run with one seed, or resume an interrupted training.

    SIGTERM, SIGUSR1 and SIGINT stop it after the current iteration; the same command resumes it.
    """
    run, seed = _lookup(study, run_id, seed)
    settings = study.training_of(run.id)
    from fbnet.runtime.distributed import launched

    launch = launched()
    chosen = _use(device, settings.threads, None if launch else gpus)
    if gpus > 1 and chosen.type != "cuda" and launch is None:
        raise InputError(f"--gpus {gpus}: needs GPUs, and this training would be on the CPU; leave it out")
    from fbnet.training.resume import ResumeState
    from fbnet.training.train import train as train_run

    whole, result = graph.build_graph(study), graph.of_run("train", run.id, seed)
    state = ResumeState(paths.state_dir(study.name, run.id, seed), fingerprint(whole, result), every=60 * keep_every)
    first = launch is None or launch.rank == 0
    with _recording(whole, result, chosen, settings.precision) if first else nullcontext():
        workers, gpus = workers if chosen.type == "cuda" else 0, launch.count if launch else gpus
        train_run(study, run, seed, chosen, workers=workers, gpus=gpus, state=state)
    if first:
        state.remove()


@cli.command()
@study_option
@run_option
@seed_option
@device_option
@option("--multi-scale", is_flag=True, help="Evaluate at the study's several scales, with mirror images.")
def evaluate(study: Study, run_id: str, seed: int | None, device: str, multi_scale: bool) -> None:
    """Evaluate a trained run on the evaluation split of its data."""
    run, seed = _lookup(study, run_id, seed)
    kind = "evaluate_multi_scale" if multi_scale else "evaluate"
    settings = study.evaluation_of(run.id, graph.SCALES[kind])
    chosen = _use(device, settings.threads)
    from fbnet.evaluation.evaluate import evaluate as evaluate_run

    with _recording(graph.build_graph(study), graph.of_run(kind, run.id, seed), chosen, settings.precision):
        evaluate_run(study, run, seed, chosen, scales=graph.SCALES[kind])


@cli.command()
@click.argument("run_id", metavar="RUN")
@study_option
@seed_option
@device_option
def export(run_id: str, study: Study, seed: int | None, device: str) -> None:
    """Predict Cityscapes' test images and zip the label ids for the test server."""
    run, seed = _lookup(study, run_id, seed)
    study.role("cityscapes_test")
    settings = study.evaluation(study.export_scales)
    chosen = _use(device, settings.threads)
    from fbnet.evaluation.submission import export as export_run

    whole, result = graph.build_graph(study), graph.of_run("export", run.id, seed)
    # No table reads the export of a run that is evaluated here, so it is not in the graph.
    with _recording(whole, result, chosen, settings.precision) if result in whole.nodes else nullcontext():
        click.echo(f"wrote {export_run(study, run, seed, chosen)}", err=True)


@cli.command()
@option("--checkpoint", required=True, type=path_type, help="A model.pt of a trained run.")
@option("--output", required=True, type=path_type, help="The folder to write to.")
@option("--show-balance", is_flag=True, help="Also write the channel mean of FBNet's features X_o.")
@device_option
@option("--threads", type=click.IntRange(min=1), help="CPU threads; all cores by default.")
@click.argument("images", nargs=-1, required=True, type=path_type)
def predict(
    checkpoint: Path, output: Path, show_balance: bool, device: str, threads: int | None, images: tuple[Path, ...]
) -> None:
    """Predict images, or every image of a folder: label ids and color overlays.

    Unreadable images are named and skipped; the exit code is then 1.
    """
    chosen = _use(device, threads)
    from fbnet.evaluation.predict import predict_images

    if predict_images(checkpoint, images, output, chosen, show_balance=show_balance):
        sys.exit(1)


@cli.command()
@study_option
@click.argument("name")
def table(study: Study, name: str) -> None:
    """Write a table of a study, such as table_1, as csv, markdown and LaTeX."""
    from fbnet.report.tables import write_table

    study.table(name)
    with recording(graph.build_graph(study), graph.Result("table", name)):
        write_table(study, name)


@cli.command()
@study_option
@click.argument("name")
def figure(study: Study, name: str) -> None:
    """Draw a figure of a study, such as figure_2, as png and svg."""
    from fbnet.report.figures import write_figure

    study.figure(name)
    with recording(graph.build_graph(study), graph.Result("figure", name)):
        write_figure(study, name)


@cli.command()
@study_option
def report(study: Study) -> None:
    """Write a study's tables, figures, training curves and provenance as one HTML page."""
    from fbnet.report.page import write_page

    click.echo(f"wrote {write_page(study)}", err=True)


@cli.command()
@study_option
@option("--hardware", help="A machine of params/hardware.yaml; by default its first.")
@json_option(help="Print everything, seed by seed; null for unknown values.")
def plan(study: Study, hardware: str | None, as_json: bool) -> None:
    """List the data sets, trainings and evaluations that a study needs, their progress, hours and price."""
    machine = load_hardware(hardware)
    from fbnet.planning.cost import estimate
    from fbnet.planning.plan import make_plan
    from fbnet.planning.text import cost_text, plan_text, unused_text
    from fbnet.planning.unused import unused_splits

    planned, unused = make_plan(study), unused_splits()
    cost = estimate(study, planned, machine)
    content = {**planned.as_dict(), "cost": cost.as_dict(), "unused": [entry.as_dict() for entry in unused]}
    text = "\n\n".join(filter(None, (plan_text(planned), cost_text(cost), unused_text(unused))))
    click.echo(_json(content) if as_json else text)


@cli.command()
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


@cli.command()
@study_option
@json_option(help="Print a list of {run, gflops, parameters}.")
def flops(study: Study, as_json: bool) -> None:
    """Count operations and parameters of a study's runs at 1024 x 1024."""
    from fbnet.models.flops import count

    counted = []
    for run in study.runs.values():
        gflops, parameters = count(run, study.data_of(run.id).labels, width=study.settings.width)
        counted.append({"run": run.id, "gflops": round(gflops, 3), "parameters": parameters})
    click.echo(_json(counted) if as_json else tabulate(counted, headers="keys", floatfmt=".2f", intfmt=","))


@cli.command()
@option(
    "--dataset",
    type=click.Choice([name for name, entry in DATASETS.items() if entry.label_files]),
    required=True,
    help="Whose classes and file names.",
)
@option("--predictions", type=path_type, required=True, help="Folder of predicted label maps.")
@option("--labels", type=path_type, required=True, help="Folder of the ground truth.")
@json_option(help="Print fractions of 1; null for undefined values.")
def score(dataset: str, predictions: Path, labels: Path, as_json: bool) -> None:
    """Score label maps predicted by any program, PNGs of raw label ids, against the ground truth."""
    from fbnet.evaluation.score import score as score_folders
    from fbnet.evaluation.score import table_rows

    result = score_folders(dataset, predictions, labels)
    rows = tabulate(table_rows(result), headers=("class", "IoU (%)"), floatfmt=".2f", missingval="–")
    click.echo(_json(result) if as_json else f"{rows}\nimages: {result['images']}")


@cli.command()
@option("--paper", is_flag=True, help="Check the paper's numbers in params/reported/.")
@option("--study", help="Check a study of params/studies/ and everything its tables are made from.")
@option("--deep", is_flag=True, help="Predict the kept sample images of a study again.")
@json_option(help="Print all checks; of a study also the chain of every cell.")
def audit(paper: bool, study: str | None, deep: bool, as_json: bool) -> None:
    """Recompute the paper's numbers from each other, or a study's tables from what they were made from.

    The paper's contradictions are a result, not an error. Of a study, each failure is named, and the exit code is then
    1; large files that are not here are counted.
    """
    if paper == (study is not None):
        raise click.UsageError("give one of --paper and --study")
    if paper and deep:
        raise click.UsageError("--deep is for a --study")
    if paper:
        from fbnet.audit.paper import audit_paper, summary

        result = summary(audit_paper())
        rows = tabulate(result["checks"], headers="keys", disable_numparse=True)
        text = f"{rows}\n{result['agrees']} agree, {result['contradicts']} contradict"
        click.echo(_json(result) if as_json else text)
        return
    from fbnet.audit.study import audit_study, to_text

    result = audit_study(load_study(study), deep=deep)
    click.echo(_json(result.as_dict()) if as_json else to_text(result))
    sys.exit(1 if result.failures else 0)


@cli.command()
@study_option
def large_files(study: Study) -> None:
    """List a study's large files that exist, for `dvc add`: prepared data, checkpoints, samples, exports."""
    for path in graph.large_files(study):
        if path.exists():
            click.echo(path)


@cli.command()
@study_option
@option("--because", required=True, help="Why the change does not matter; recorded.")
@click.argument("kinds", nargs=-1, type=click.Choice(list(sources.ENTRY)))
def restamp(study: Study, because: str, kinds: tuple[str, ...]) -> None:
    """Accept changes of sources or parameters that left existing results unchanged, of some KINDS or all."""
    from fbnet.provenance.staleness import restamp as restamp_results

    for result, changes in restamp_results(graph.build_graph(study), because, kinds):
        click.echo(f"{result}: accepted {', '.join(changes)}", err=True)


def main() -> None:
    """Run the command; bad input and system errors of files end in one line and exit code 2."""
    log.configure()
    debug = "--debug" in sys.argv
    try:
        cli()
    except (InputError, OSError) as error:
        refused = of_system(error)
        if refused is None:
            raise
        logger.error(refused, exc_info=debug)
        sys.exit(2)


def _chosen(parts: Iterable[tuple], *wanted: object) -> list[tuple]:
    """Return the parts whose entries are the wanted ones; None wants any."""
    return [part for part in parts if all(want in (None, entry) for want, entry in zip(wanted, part, strict=True))]


def _lookup(study: Study, run: str, seed: int | None) -> tuple[RunConfig, int]:
    seed = study.settings.seeds[0] if seed is None else seed
    study.check_seed(seed)
    return study.run(run), seed


@contextmanager
def _recording(whole: graph.Graph, result: graph.Result, device, precision: Precision) -> Iterator[None]:
    """Record a result with the device, threads and precision that compute it."""
    import torch

    from fbnet.runtime.precision import choose_precision

    with recording(whole, result) as made:
        made.precision = choose_precision(precision, device)
        made.threads = torch.get_num_threads()
        made.device = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        yield


def _use(device: str, threads: int | None, gpus: int | None = 1):
    """Choose the device, lease GPUs unless a launcher shared them out, and set the threads of a CPU."""
    import torch

    from fbnet.runtime.device import choose_device
    from fbnet.runtime.gpu_lease import lease_gpus

    if device != "cpu" and gpus is not None:
        lease_gpus(gpus, torch.cuda.device_count())
    chosen = choose_device(device)
    if chosen.type == "cpu" and threads is not None:
        torch.set_num_threads(threads)
    return chosen
