# The study, checked, and what the rules ask of it.
import shlex
import sys
from dataclasses import asdict

from pathlib import Path

from fbnet import config as params
from fbnet import paths
from fbnet.errors import InputError


def load_study(name):
    """The study; bad parameters end in one line and exit code 2, as in the fbnet command."""
    try:
        return params.load_study(name)
    except InputError as error:
        print(f"fbnet: {error}", file=sys.stderr)
        raise SystemExit(2)


STUDY = load_study(str(config.get("study", "demo")))
PREPARED = [str(path) for path in paths.prepared_files(STUDY.data.dataset, STUDY.data.splits)]
SAMPLING = STUDY.settings.training.class_uniform
CENTROIDS = [str(paths.centroids_file(STUDY.data.dataset, STUDY.data.train, SAMPLING.tile))] if SAMPLING else []
LOGS = str(paths.LOGS / STUDY.name)
# The command of the environment that Snakemake itself runs in, activated or not.
FBNET = shlex.quote(str(Path(sys.executable).with_name("fbnet")))

# Trainings go side by side and share out the cores: 16 of them on 64 cores get 4 each, on 2 cores 1.
TRAININGS = len(STUDY.runs) * len(STUDY.settings.seeds)
THREADS = max(1, workflow.cores // TRAININGS) if workflow.cores else 1


wildcard_constraints:
    run="|".join(STUDY.runs),
    seed="|".join(map(str, STUDY.settings.seeds)),
    table="|".join(STUDY.tables) or "none",
    figure="|".join(STUDY.figures) or "none",


def of_run(file):
    """A result's path with the wildcards {run} and {seed}."""
    return str(file(STUDY.name, "{run}", "{seed}"))


def of_rows(file, runs, seeds):
    """The results that a table or figure is made from."""
    return [str(file(STUDY.name, run, seed)) for run in runs for seed in seeds]


def compared_runs(table):
    """A table's runs, and the baselines that its gains are measured against."""
    rows = STUDY.table(table).rows
    baselines = [STUDY.runs[row].baseline for row in rows]
    return list(dict.fromkeys([*rows, *(run for run in baselines if run in STUDY.runs)]))
