"""Subcommands that hand a trained network on to others."""

from dataclasses import asdict
from pathlib import Path

import click

from fbnet.cli.options import json_option, look_up, option, path_type, run_option, seed_option, study_option, to_json
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.io.files import new_folder

commands = click.Group()


def _moved(_context: click.Context, _parameter: click.Parameter, value: object) -> None:
    """Refuse the arguments of the command that had this name before."""
    if value is not None:
        raise InputError("fbnet export: writes ONNX and torch.export files now; use `fbnet submit` for the test server")


@commands.command()
@click.argument("run_id", metavar="", required=False, is_eager=True, expose_value=False, callback=_moved)
@option("--study", hidden=True, is_eager=True, expose_value=False, callback=_moved)
@option("--seed", hidden=True, is_eager=True, expose_value=False, callback=_moved)
@option("--checkpoint", required=True, type=path_type, help="A model.pt of a trained run.")
@option("--output", required=True, type=path_type, help="The file to write.")
@option("--format", "file_format", type=click.Choice(["onnx", "torch-export"]), default="onnx", help="Format of it.")
@option("--returns", type=click.Choice(["softmax", "labels"]), default="softmax", help="Output of the network.")
@json_option(help="Print the differences as JSON.")
def export(checkpoint: Path, output: Path, file_format: str, returns: str, as_json: bool) -> None:
    """Export a trained network as ONNX or by torch.export, for images of any size.

    Its input are RGB images, uint8 (batch, height, width, 3). It is compared with our own prediction at several sizes
    before the file is written.
    """
    from fbnet.evaluation.export import export as export_network

    compared = export_network(checkpoint, output, file_format, returns)
    click.echo(f"wrote {output}", err=True)
    text = "\n".join(["largest difference from our prediction:", *(f"  {parity}" for parity in compared)])
    click.echo(to_json([asdict(parity) for parity in compared]) if as_json else text)


@commands.command()
@study_option
@run_option
@seed_option
@option("--output", required=True, type=path_type, help="The folder to make.")
def publish(study: Study, run_id: str, seed: int | None, output: Path) -> None:
    """Make a folder for the release of a trained network: weights, configuration, model card and sample picture.

    The model card is written from the training's record and from the metrics of all seeds.
    """
    run, seed = look_up(study, run_id, seed)
    if output.exists() or output.is_symlink():
        raise InputError(f"{output}: already there; name a folder that does not exist yet")
    import safetensors  # noqa: F401  before the work begins

    from fbnet.evaluation.evaluate import load_run
    from fbnet.evaluation.export import describe_classes
    from fbnet.models.checkpoint import publish as write_weights
    from fbnet.report.model_card import make_card

    network, config = load_run(study, run, seed)
    parameters = sum(value.numel() for value in network.parameters())
    card = make_card(study, run, seed, iterations=config.iterations, parameters=parameters)
    with new_folder(output) as folder:
        write_weights(folder, network, config, {"classes": describe_classes(config.labels)})
        card.write(folder)
    click.echo(f"wrote {output}; read {output / 'README.md'} and choose a licence before you upload it", err=True)
