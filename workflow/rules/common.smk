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


def prepared(data):
    """The packed files of a data set."""
    return [str(path) for path in paths.prepared_files(data.dataset, data.splits)]


def centroids(role):
    """The file of a data set's centroids, none in a study without class-uniform sampling."""
    sampling, data = STUDY.settings.training.class_uniform, STUDY.settings.data[role]
    return [str(paths.centroids_file(data.dataset, data.train, sampling.tile[role]))] if sampling else []


def data_of(wildcards):
    """The packed files that a run is trained and evaluated on."""
    return prepared(STUDY.data_of(wildcards.run))


def of_run(file):
    """A result's path with the wildcards {run} and {seed}."""
    return str(file(STUDY.name, "{run}", "{seed}"))


def of_rows(file, runs, seeds):
    """The results that a table or figure is made from."""
    return [str(file(STUDY.name, run, seed)) for run in runs for seed in seeds]


def compared_runs(table):
    """A table's runs, and the baselines that its gains are measured against."""
    rows = [row for row in STUDY.table(table).rows if row in STUDY.runs]
    baselines = [STUDY.runs[row].baseline for row in rows]
    return list(dict.fromkeys([*rows, *(run for run in baselines if run in STUDY.runs)]))
