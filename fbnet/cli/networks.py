"""Subcommands that compute with networks, on a device."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from fbnet import paths
from fbnet.cli.options import device_option, look_up, option, path_type, run_option, seed_option, study_option
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.provenance import graph
from fbnet.provenance.precision import job_precision
from fbnet.provenance.recording import recording
from fbnet.provenance.records import fingerprint
from fbnet.runtime import slurm
from fbnet.runtime.precision import Resolved
from fbnet.runtime.stop_signals import Interrupted

commands = click.Group()


@commands.command()
@study_option
@run_option
@seed_option
@device_option
@option("--gpus", type=click.IntRange(min=1), default=1, help="GPUs that share each batch.")
@option("--workers", type=click.IntRange(min=0), default=4, help="Loader processes per GPU; a CPU uses none.")
@option("--keep-every", type=click.FloatRange(min=0), default=10, help="Minutes between two resume states.")
@option("--scratch", type=path_type, help="Folder on this machine's own disk to copy prepared data to.")
@option("--requeue", is_flag=True, help="In a Slurm job: requeue it when it is stopped, unless it was cancelled.")
def train(
    study: Study,
    run_id: str,
    seed: int | None,
    device: str,
    gpus: int,
    workers: int,
    keep_every: float,
    scratch: Path | None,
    requeue: bool,
) -> None:
    """Train one run with one seed, or resume an interrupted training.

    SIGTERM, SIGUSR1 and SIGINT stop it after the current iteration; the same command resumes it.
    """
    run, seed = look_up(study, run_id, seed)
    settings = study.training_of(run.id)
    from fbnet.runtime.distributed import launched

    place = launched()
    chosen = _use(device, settings.threads, gpus if place.count == 1 else None)
    if gpus > 1 and chosen.type != "cuda" and place.count == 1:
        raise InputError(f"--gpus {gpus}: needs GPUs, and this training would be on the CPU; leave it out")
    from fbnet.training.resume import ResumeState
    from fbnet.training.train import train as train_run

    precision = job_precision(study, "training", settings.precision, chosen.type)
    whole, result = graph.build_graph(study), graph.of_run("train", run.id, seed)
    state = ResumeState(paths.state_dir(study.name, run.id, seed), fingerprint(whole, result), every=60 * keep_every)
    first = place.rank == 0
    options = {
        "precision": precision,
        "workers": workers if chosen.type == "cuda" else 0,
        "gpus": gpus if place.count == 1 else place.count,
        "scratch": scratch,
    }
    try:
        with _recording(whole, result, chosen, precision) if first else nullcontext():
            train_run(study, run, seed, chosen, state=state, **options)
    except Interrupted:
        if first and requeue:
            slurm.requeue()
        raise
    if first:
        state.remove()


@commands.command()
@study_option
@run_option
@seed_option
@device_option
@option("--multi-scale", is_flag=True, help="Evaluate at the study's several scales, with mirror images.")
def evaluate(study: Study, run_id: str, seed: int | None, device: str, multi_scale: bool) -> None:
    """Evaluate a trained run on the evaluation split of its data."""
    run, seed = look_up(study, run_id, seed)
    kind = "evaluate_multi_scale" if multi_scale else "evaluate"
    settings = study.evaluation_of(run.id, graph.SCALES[kind])
    chosen = _use(device, settings.threads)
    from fbnet.evaluation.evaluate import evaluate as evaluate_run

    precision = job_precision(study, "evaluation", settings.precision, chosen.type)
    with _recording(graph.build_graph(study), graph.of_run(kind, run.id, seed), chosen, precision):
        evaluate_run(study, run, seed, chosen, scales=graph.SCALES[kind], precision=precision)


@commands.command()
@study_option
@run_option
@seed_option
@device_option
def measure(study: Study, run_id: str, seed: int | None, device: str) -> None:
    """Measure the feature camouflage of a trained run, for the figures that show it."""
    run, seed = look_up(study, run_id, seed)
    settings = study.evaluation_of(run.id, "single_scale")
    chosen = _use(device, settings.threads)
    from fbnet.evaluation.measure import measure as measure_run

    precision = job_precision(study, "evaluation", settings.precision, chosen.type)
    whole, result = graph.build_graph(study), graph.of_run("measure", run.id, seed)
    with _recording(whole, result, chosen, precision) if result in whole.nodes else nullcontext():
        measure_run(study, run, seed, chosen, precision=precision)


@commands.command()
@click.argument("run_id", metavar="RUN")
@study_option
@seed_option
@device_option
def submit(run_id: str, study: Study, seed: int | None, device: str) -> None:
    """Predict Cityscapes' test images and zip the label ids for the test server."""
    run, seed = look_up(study, run_id, seed)
    study.role("cityscapes_test")
    settings = study.evaluation(study.export_scales)
    chosen = _use(device, settings.threads)
    from fbnet.evaluation.submission import submit as submit_run

    precision = job_precision(study, "evaluation", settings.precision, chosen.type)
    whole, result = graph.build_graph(study), graph.of_run("export", run.id, seed)
    # No table reads the predictions of a run that is evaluated here, so it is not in the graph.
    with _recording(whole, result, chosen, precision) if result in whole.nodes else nullcontext():
        click.echo(f"wrote {submit_run(study, run, seed, chosen, precision=precision)}", err=True)


@commands.command()
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


@contextmanager
def _recording(whole: graph.Graph, result: graph.Result, device, precision: Resolved) -> Iterator[None]:
    """Record a result with the device, threads and precision that compute it."""
    import torch

    with recording(whole, result) as made:
        made.precision = precision
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
