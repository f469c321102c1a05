"""Subcommands that show, plan and check a study."""

import sys
from pathlib import Path

import click
from tabulate import tabulate

from fbnet.cli.options import json_option, option, path_type, study_option, to_json
from fbnet.config.load import load_hardware, load_study
from fbnet.config.study import Study
from fbnet.provenance import graph, sources
from fbnet.provenance.recording import recording

commands = click.Group()


@commands.command()
@study_option
@click.argument("name")
def table(study: Study, name: str) -> None:
    """Write a table of a study, such as table_1, as csv, markdown and LaTeX."""
    from fbnet.report.tables import write_table

    study.table(name)
    with recording(graph.build_graph(study), graph.Result("table", name)):
        write_table(study, name)


@commands.command()
@study_option
@click.argument("name")
def figure(study: Study, name: str) -> None:
    """Draw a figure of a study, such as figure_2, as png and svg."""
    from fbnet.report.figures import write_figure

    study.figure(name)
    with recording(graph.build_graph(study), graph.Result("figure", name)):
        write_figure(study, name)


@commands.command()
@study_option
def report(study: Study) -> None:
    """Write a study's tables, figures, training curves and provenance as one HTML page."""
    from fbnet.report.page import write_page

    click.echo(f"wrote {write_page(study)}", err=True)


@commands.command()
@study_option
@option("--hardware", help="A machine of params/hardware.yaml; by default its first.")
@option("--slurm", is_flag=True, help="Print what a training of each run asks of a Slurm cluster of that machine.")
@json_option(help="Print everything, seed by seed; null for unknown values.")
def plan(study: Study, hardware: str | None, slurm: bool, as_json: bool) -> None:
    """List the data sets, trainings and evaluations that a study needs, their progress, hours and price."""
    machine = load_hardware(hardware)
    from fbnet.planning.cost import estimate
    from fbnet.planning.plan import make_plan
    from fbnet.planning.text import cost_text, plan_text, unused_text
    from fbnet.planning.unused import unused_splits

    planned, unused = make_plan(study), unused_splits()
    cost = estimate(study, planned, machine)
    if slurm:
        from fbnet.planning.slurm import training_requests
        from fbnet.planning.text import requests_text

        requests = training_requests(study, cost)
        asked = to_json([entry.as_dict() for entry in requests]) if as_json else requests_text(requests, machine)
        click.echo(asked)
        return
    content = {**planned.as_dict(), "cost": cost.as_dict(), "unused": [entry.as_dict() for entry in unused]}
    text = "\n\n".join(filter(None, (plan_text(planned), cost_text(cost), unused_text(unused))))
    click.echo(to_json(content) if as_json else text)


@commands.command()
@study_option
@json_option(help="Print a list of {run, gflops, parameters}.")
def flops(study: Study, as_json: bool) -> None:
    """Count operations and parameters of a study's runs at 1024 x 1024."""
    from fbnet.models.flops import count

    counted = []
    for run in study.runs.values():
        gflops, parameters = count(run, study.data_of(run.id).labels, width=study.settings.width)
        counted.append({"run": run.id, "gflops": round(gflops, 3), "parameters": parameters})
    click.echo(to_json(counted) if as_json else tabulate(counted, headers="keys", floatfmt=".2f", intfmt=","))


@commands.command()
@option("--dataset", required=True, help="Whose classes and file names: built in, or of params/datasets/.")
@option("--predictions", type=path_type, required=True, help="Folder of predicted label maps.")
@option("--labels", type=path_type, required=True, help="Folder of the ground truth.")
@json_option(help="Print fractions of 1; null for undefined values.")
def score(dataset: str, predictions: Path, labels: Path, as_json: bool) -> None:
    """Score label maps predicted by any program, PNGs of raw label ids or colours, against the ground truth."""
    from fbnet.evaluation.score import score as score_folders
    from fbnet.evaluation.score import table_rows

    result = score_folders(dataset, predictions, labels)
    rows = tabulate(table_rows(result), headers=("class", "IoU (%)"), floatfmt=".2f", missingval="–")
    click.echo(to_json(result) if as_json else f"{rows}\nimages: {result['images']}")


@commands.command()
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
        click.echo(to_json(result) if as_json else text)
        return
    from fbnet.audit.study import audit_study, to_text

    result = audit_study(load_study(study), deep=deep)
    click.echo(to_json(result.as_dict()) if as_json else to_text(result))
    sys.exit(1 if result.failures else 0)


@commands.command()
@study_option
@option("--because", required=True, help="Why the change does not matter; recorded.")
@click.argument("kinds", nargs=-1, type=click.Choice(list(sources.ENTRY)))
def restamp(study: Study, because: str, kinds: tuple[str, ...]) -> None:
    """Accept changes of sources or parameters that left existing results unchanged, of some KINDS or all."""
    from fbnet.provenance.staleness import restamp as restamp_results

    for result, changes in restamp_results(graph.build_graph(study), because, kinds):
        click.echo(f"{result}: accepted {', '.join(changes)}", err=True)
