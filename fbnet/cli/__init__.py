"""The `fbnet` command. Each subcommand does one step of one study; bad input ends in one line and exit code 2.

torch is imported by the subcommands that need it: it takes seconds, and `fbnet --help` should not.
"""

import logging
import sys

import click

from fbnet import log
from fbnet.cli import data, networks, release, reports
from fbnet.cli.options import option
from fbnet.errors import InputError, of_system

logger = logging.getLogger(__name__)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="fbnet", prog_name="fbnet")
@option("--debug", is_flag=True, help="Show tracebacks of bad input.")
def cli(debug: bool) -> None:
    """Reproduce FBNet (Gan et al., 2021): prepare data, train and evaluate runs, make tables and figures.

    `snakemake --cores all --config study=NAME` runs all of this in the right order.
    """


for commands in (data.commands, networks.commands, release.commands, reports.commands):
    for command in commands.commands.values():
        cli.add_command(command)


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
