"""Options that several subcommands have."""

import json
from functools import partial
from pathlib import Path

import click

from fbnet.config.load import load_study
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study

option = partial(click.option, show_default=True)
path_type = click.Path(path_type=Path)
to_json = partial(json.dumps, indent=1)
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


def look_up(study: Study, run: str, seed: int | None) -> tuple[RunConfig, int]:
    """Return a run of a study and its seed, the study's first for None. Raises InputError for unknown ones."""
    config = study.run(run)
    seed = study.settings.seeds[0] if seed is None else seed
    study.check_seed(run, seed)
    return config, seed
