# The study, checked, and what the rules ask of it.
import re
import shlex
import sys
from dataclasses import asdict

from pathlib import Path

from fbnet import config as params
from fbnet import paths
from fbnet.errors import InputError
from fbnet.report.plan import lacking


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

# Said before anything starts; what needs none of it still goes.
if workflow.is_main_process:
    for line in lacking(STUDY):
        print(f"fbnet: {line}", file=sys.stderr)

# Trainings go side by side and share out the cores: 16 of them on 64 cores get 4 each, on 2 cores 1.
TRAININGS = len(STUDY.runs) * len(STUDY.settings.seeds)
THREADS = max(1, workflow.cores // TRAININGS) if workflow.cores else 1


# Entries of initial weights by the name of the note on them.
INITIAL_WEIGHTS = {
    paths.weights_record(entry).stem: entry for entry in map(STUDY.initial_weights, STUDY.runs) if entry is not None
}


wildcard_constraints:
    run="|".join(STUDY.runs),
    seed="|".join(map(str, STUDY.settings.seeds)),
    table="|".join(STUDY.tables) or "none",
    figure="|".join(STUDY.figures) or "none",
    weights="|".join(map(re.escape, INITIAL_WEIGHTS)) or "none",


def prepared(role):
    """The packed files of a data set."""
    return [str(path) for path in STUDY.settings.data[role].prepared_files]


def data_of(wildcards):
    """The packed files that a run is trained on."""
    run = STUDY.runs[wildcards.run]
    return [*prepared(run.data), *(prepared("cityscapes_coarse") if run.coarse_classes else [])]


def centroids(run, role=None):
    """The files of the centroids that a run is sampled by, those of one data set only where it is named."""
    return [
        str(paths.centroids_file(STUDY.settings.data[of].dataset, split, tile))
        for of, split, tile in STUDY.centroids_of(run)
        if role in (None, of)
    ]


def initial_weights(wildcards):
    """The note on the file of a run's initial weights."""
    entry = STUDY.initial_weights(wildcards.run)
    return [] if entry is None else [str(paths.weights_record(entry))]


def start_of(wildcards):
    """The checkpoint that a run starts from."""
    start = STUDY.runs[wildcards.run].start
    return [] if start is None else [str(paths.checkpoint_file(STUDY.name, start, wildcards.seed))]


def of_run(file, **which):
    """A result's path with the wildcards {run} and {seed}."""
    return str(file(STUDY.name, "{run}", "{seed}", **which))


def of_rows(file, runs, seeds, **which):
    """The results that a table or figure is made from."""
    return [str(file(STUDY.name, run, seed, **which)) for run in runs for seed in seeds]


def results_of(table):
    """The metrics of a table's runs and of the baselines of its gains; of runs for the test server, the predictions."""
    runs = STUDY.compared_runs(table)
    evaluated = [run for run in runs if STUDY.runs[run].evaluated]
    exported = [run for run in runs if not STUDY.runs[run].evaluated]
    seeds, scales = STUDY.settings.seeds, STUDY.table(table).evaluation
    return of_rows(paths.metrics_file, evaluated, seeds, scales=scales) + of_rows(paths.export_file, exported, seeds)


def server_scores(table):
    """What the test server returned, for the tables that show it."""
    return [str(paths.SERVER_SCORES)] if "test_miou" in STUDY.table(table).columns else []
