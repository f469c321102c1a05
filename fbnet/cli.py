"""The `fbnet` command. Each subcommand does one step of one study; bad input ends in one line and exit code 2."""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import click
from tabulate import tabulate

from fbnet import paths
from fbnet.config.load import load_hardware, load_study
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.config.training import Precision
from fbnet.errors import InputError, of_system
from fbnet.provenance import graph, sources
from fbnet.provenance.records import Device, fingerprint, recording

# torch is imported by the subcommands that need it: it takes seconds, and `fbnet --help` should not.

study_option = click.option("--study", default="demo", show_default=True, help="A study of params/studies/.")
run_option = click.option("--run", "run_id", required=True, help="A run of params/runs.yaml.")
seed_option = click.option("--seed", type=int, default=None, help="A seed of the study; by default its first.")
role_option = click.option(
    "--data", "role", default=None, help="One of the paper's data sets only, such as cityscapes."
)
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to compute."
)


def run_options(command: Callable) -> Callable:
    """Which run of which study, and where to compute."""
    for option in (device_option, seed_option, run_option, study_option):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show tracebacks of bad input.")
def cli(debug: bool) -> None:
    """Reproduces FBNet (Gan et al., 2021): prepare data, train and evaluate runs, make tables and figures.

    `snakemake --cores all --config study=NAME` runs all of this in the right order.
    """


@cli.command()
@study_option
@role_option
def prepare(study: str, role: str | None) -> None:
    """Check a study's raw data and pack them; draw them first where they are synthetic."""
    loaded = load_study(study)
    from fbnet.data.prepare import prepare as prepare_data

    for name in [role] if role else loaded.settings.data:
        data = loaded.role(name)
        with recording(loaded, graph.prepared(loaded, name)):
            click.echo(f"prepared {prepare_data(data)}", err=True)


@cli.command()
@study_option
@role_option
def centroids(study: str, role: str | None) -> None:
    """Find where the classes are in a study's prepared training images, for class-uniform sampling."""
    loaded = load_study(study)
    from fbnet.data.centroids import write_centroids

    parts = dict.fromkeys(part for run in loaded.runs for part in loaded.centroids_of(run))
    roles = dict.fromkeys(part[0] for part in parts if role in (None, part[0]))
    if not roles:
        raise InputError(f"study {study}: no run is sampled by class from {role or 'any data'}; see class_uniform")
    for name in roles:
        with recording(loaded, graph.centroids(loaded, name)):
            for split, tile in (part[1:] for part in parts if part[0] == name):
                click.echo(f"found {write_centroids(loaded.role(name), split, tile)}", err=True)


@cli.command()
@study_option
def fetch_weights(study: str) -> None:
    """Download a study's initial weights where they can be, and record what they are."""
    loaded = load_study(study)
    from fbnet.models.weight_files import entries, fetch, record, summary

    for entry in entries(loaded):
        fetch(entry)
        click.echo(summary(record(entry)), err=True)


@cli.command()
@click.argument("entry")
def record_weights(entry: str) -> None:
    """Record what a file of initial weights is, or check it against its record.

    ENTRY is what `training.initial_weights` names: a path, or one of torchvision's weights.
    """
    from fbnet.models.weight_files import record, summary

    click.echo(summary(record(entry)), err=True)


@cli.command()
@run_options
@click.option("--gpus", type=click.IntRange(min=1), default=1, show_default=True, help="GPUs that share every batch.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=4,
    show_default=True,
    help="Loader processes of each GPU; on a CPU a training loads by itself.",
)
@click.option(
    "--keep-every",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    metavar="ITERATIONS",
    help="How often to keep what an interrupted training goes on from.",
)
def train(study: str, run_id: str, seed: int | None, device: str, gpus: int, workers: int, keep_every: int) -> None:
    """Train one run with one seed, or go on where it was interrupted.

    SIGTERM, SIGUSR1 and SIGINT stop it after the iteration that it is at; the same command goes on from there.
    """
    loaded, run, seed = _lookup(study, run_id, seed)
    settings = loaded.training_of(run.id)
    chosen = _use(device, settings.threads)
    if gpus > 1 and chosen.type != "cuda":
        raise InputError(f"--gpus {gpus}: needs GPUs, and this training would be on the CPU; leave it out")
    from fbnet.training.resume import TrainingState
    from fbnet.training.train import train as train_run

    result = graph.of_run("train", run.id, seed)
    state = TrainingState(paths.state_dir(study, run.id, seed), fingerprint(loaded, result), every=keep_every)
    with recording(loaded, result) as made:
        _note(made, chosen, settings.precision)
        train_run(loaded, run, seed, chosen, workers=workers if chosen.type == "cuda" else 0, gpus=gpus, state=state)
    state.remove()


@cli.command()
@run_options
@click.option("--multi-scale", is_flag=True, help="At the study's several scales, with mirror images.")
def evaluate(study: str, run_id: str, seed: int | None, device: str, multi_scale: bool) -> None:
    """Evaluate a trained run on the evaluation split of its data."""
    loaded, run, seed = _lookup(study, run_id, seed)
    kind = "evaluate_multi_scale" if multi_scale else "evaluate"
    settings = loaded.evaluation_of(run.id, graph.SCALES[kind])
    chosen = _use(device, settings.threads)
    from fbnet.evaluation.evaluate import evaluate as evaluate_run

    with recording(loaded, graph.of_run(kind, run.id, seed)) as made:
        _note(made, chosen, settings.precision)
        evaluate_run(loaded, run, seed, chosen, scales=graph.SCALES[kind])


@cli.command()
@click.argument("run_id", metavar="RUN")
@study_option
@seed_option
@device_option
def export(run_id: str, study: str, seed: int | None, device: str) -> None:
    """Predict Cityscapes' test images and zip the label ids for the test server."""
    loaded, run, seed = _lookup(study, run_id, seed)
    loaded.role("cityscapes_test")
    settings = loaded.evaluation(loaded.export_scales)
    chosen = _use(device, settings.threads)
    from fbnet.evaluation.submission import export as export_run

    if run.evaluated:
        click.echo(f"wrote {export_run(loaded, run, seed, chosen)}", err=True)
        return
    with recording(loaded, graph.of_run("export", run.id, seed)) as made:
        _note(made, chosen, settings.precision)
        click.echo(f"wrote {export_run(loaded, run, seed, chosen)}", err=True)


@cli.command()
@click.option("--checkpoint", required=True, type=click.Path(path_type=Path), help="A model.pt of a trained run.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The folder to write to.")
@click.option("--show-balance", is_flag=True, help="Write the mean of FBNet's features X_o over channels as well.")
@device_option
@click.option("--threads", type=click.IntRange(min=1), default=None, help="CPU threads; all cores by default.")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
def predict(
    checkpoint: Path, output: Path, show_balance: bool, device: str, threads: int | None, images: tuple[Path, ...]
) -> None:
    """Predict images, or every image of a folder: label ids and colour overlays.

    An image that cannot be read is named and left out; the exit code is then 1.
    """
    chosen = _use(device, threads)
    from fbnet.evaluation.predict import predict_images

    if predict_images(checkpoint, images, output, chosen, show_balance=show_balance):
        sys.exit(1)


@cli.command()
@study_option
@click.argument("name")
def table(study: str, name: str) -> None:
    """Write a table of a study, such as table_1, as csv, markdown and LaTeX."""
    from fbnet.report.tables import write_table

    loaded = load_study(study)
    loaded.table(name)
    with recording(loaded, graph.Result("table", name)):
        write_table(loaded, name)


@cli.command()
@study_option
@click.argument("name")
def figure(study: str, name: str) -> None:
    """Draw a figure of a study, such as figure_2, as png and svg."""
    from fbnet.report.figures import write_figure

    loaded = load_study(study)
    loaded.figure(name)
    with recording(loaded, graph.Result("figure", name)):
        write_figure(loaded, name)


@cli.command()
@study_option
def report(study: str) -> None:
    """Write a study's tables, figures, training curves and provenance as one HTML page."""
    from fbnet.report.page import write_page

    click.echo(f"wrote {write_page(load_study(study))}", err=True)


@cli.command()
@study_option
@click.option("--hardware", default=None, help="A machine of params/hardware.yaml; by default its first.")
@click.option("--json", "as_json", is_flag=True, help="Everything, seed by seed; null for what is not known.")
def plan(study: str, hardware: str | None, as_json: bool) -> None:
    """List what a study needs and costs: data sets, trainings, evaluations, which of them are done; hours and money."""
    loaded, machine = load_study(study), load_hardware(hardware)
    from fbnet.planning import cost_text
    from fbnet.planning.cost import estimate
    from fbnet.planning.plan import make_plan, to_text

    planned = make_plan(loaded)
    cost = estimate(loaded, planned, machine)
    if as_json:
        click.echo(json.dumps({**planned.as_dict(), "cost": cost.as_dict()}, indent=1))
    else:
        click.echo(f"{to_text(planned)}\n\n{cost_text.to_text(cost)}")


@cli.command()
@study_option
@click.option("--json", "as_json", is_flag=True, help="A list of {run, gflops, parameters}.")
def flops(study: str, as_json: bool) -> None:
    """Count operations and parameters of a study's runs at 1024 x 1024."""
    loaded = load_study(study)
    from fbnet.models.flops import count

    counted = []
    for run in loaded.runs.values():
        gflops, parameters = count(run, loaded.data_of(run.id).labels, width=loaded.settings.width)
        counted.append({"run": run.id, "gflops": round(gflops, 3), "parameters": parameters})
    if as_json:
        click.echo(json.dumps(counted, indent=1))
    else:
        click.echo(tabulate(counted, headers="keys", floatfmt=".2f", intfmt=","))


@cli.command()
@click.option(
    "--dataset", type=click.Choice(["cityscapes", "camvid"]), required=True, help="Whose classes and file names."
)
@click.option("--predictions", type=click.Path(path_type=Path), required=True, help="Folder of predicted label maps.")
@click.option("--labels", type=click.Path(path_type=Path), required=True, help="Folder of the ground truth.")
@click.option("--json", "as_json", is_flag=True, help="Fractions of 1; null for what is not defined.")
def score(dataset: str, predictions: Path, labels: Path, as_json: bool) -> None:
    """Score label maps predicted by any program, PNGs of raw label ids, against the ground truth."""
    from fbnet.evaluation.score import score as score_folders
    from fbnet.evaluation.score import table_rows

    result = score_folders(dataset, predictions, labels)
    if as_json:
        click.echo(json.dumps(result, indent=1))
    else:
        click.echo(tabulate(table_rows(result), headers=("class", "IoU (%)"), floatfmt=".2f", missingval="–"))
        click.echo(f"images: {result['images']}")


@cli.command()
@click.option("--paper", is_flag=True, help="Check the paper's numbers in params/reported/.")
@click.option("--study", default=None, help="Check a study of params/studies/ and what its tables are made from.")
@click.option("--deep", is_flag=True, help="Predict the kept sample images of a study again.")
@click.option("--json", "as_json", is_flag=True, help="All that was checked; of a study, the chain of every cell.")
def audit(paper: bool, study: str | None, deep: bool, as_json: bool) -> None:
    """Recompute the paper's numbers from each other, or a study's tables from what they were made from.

    The paper's contradictions are a result, not an error. Of a study, whatever does not hold is named, and the exit
    code is then 1; large files that are not here are counted.
    """
    if paper == (study is not None):
        raise click.UsageError("give one of --paper and --study")
    if paper and deep:
        raise click.UsageError("--deep is for a --study")
    if paper:
        _audit_paper(as_json)
    else:
        _audit_study(study, deep, as_json)


@cli.command()
@study_option
def large_files(study: str) -> None:
    """Name the large files of a study that are here, for `dvc add`: prepared data, checkpoints, predictions."""
    for path in graph.large_files(load_study(study)):
        if path.exists():
            click.echo(path)


@cli.command()
@study_option
@click.option("--because", required=True, help="Why the change does not matter; it is recorded.")
@click.argument("kinds", nargs=-1, type=click.Choice(list(sources.ENTRY)))
def restamp(study: str, because: str, kinds: tuple[str, ...]) -> None:
    """Accept that sources or parameters changed without changing the results there are, of some KINDS or all."""
    from fbnet.provenance.records import restamp as restamp_results

    for result, changes in restamp_results(load_study(study), because, kinds):
        click.echo(f"{result}: accepted {', '.join(changes)}", err=True)


def main() -> None:
    """Runs the command and turns bad input into one line and exit code 2."""
    try:
        cli()
    except InputError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        click.echo(f"fbnet: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        refused = of_system(error)
        if refused is None or "--debug" in sys.argv:
            raise
        click.echo(f"fbnet: {refused}", err=True)
        sys.exit(2)


def _audit_paper(as_json: bool) -> None:
    from fbnet.audit.paper import audit_paper, summary

    result = summary(audit_paper())
    if as_json:
        click.echo(json.dumps(result, indent=1))
    else:
        click.echo(tabulate(result["checks"], headers="keys", disable_numparse=True))
        click.echo(f"{result['agrees']} agree, {result['contradicts']} contradict")


def _audit_study(study: str, deep: bool, as_json: bool) -> None:
    from fbnet.audit.study import audit_study, to_text

    result = audit_study(load_study(study), deep=deep)
    click.echo(json.dumps(result.as_dict(), indent=1) if as_json else to_text(result))
    if result.failures:
        sys.exit(1)


def _lookup(study: str, run: str, seed: int | None) -> tuple[Study, RunConfig, int]:
    loaded = load_study(study)
    if seed is None:
        seed = loaded.settings.seeds[0]
    loaded.check_seed(seed)
    return loaded, loaded.run(run), seed


def _note(made: Device, device, precision: Precision) -> None:
    """Notes where a job computes, and in what."""
    import torch

    from fbnet.runtime.precision import choose_precision

    made.precision = choose_precision(precision, device)
    made.threads = torch.get_num_threads()
    made.device = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _use(device: str, threads: int | None):
    """The device; a CPU computes with so many threads."""
    import torch

    from fbnet.runtime.device import choose_device

    chosen = choose_device(device)
    if chosen.type == "cpu" and threads is not None:
        torch.set_num_threads(threads)
    return chosen
