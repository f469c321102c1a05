# The study, checked, and what the rules ask of it.
import atexit
import os
import re
import shlex
import shutil
import sys
import uuid
from pathlib import Path

from fbnet import paths
from fbnet.errors import InputError
from fbnet.io.files import set_back
from fbnet.config.load import load_study
from fbnet.provenance import graph
from fbnet.provenance import records as provenance
from fbnet.provenance.graph import Result
from fbnet.runtime import snakemake_lock as alone
from fbnet.planning.plan import missing_inputs


def checked(work, *arguments):
    """What a function returns; bad input ends in one line and exit code 2, as in the fbnet command."""
    try:
        return work(*arguments)
    except InputError as error:
        print(f"fbnet: {error}", file=sys.stderr)
        raise SystemExit(2)


# Kept open to the end. A dry run locks nothing.
ALIVE = alone.enter() if workflow.is_main_process and not workflow.output_settings.dryrun else None

STUDY = checked(load_study, str(config.get("study", "demo")))
DECLARED = graph.declare(STUDY)
# Asked once and for all results: what goes wrong in an input function may pass without a word.
STALE = checked(provenance.stale, STUDY)
LOGS = str(paths.LOGS / STUDY.name)
# The command of the environment that Snakemake itself runs in, activated or not. When Snakemake is killed, the kernel
# ends its jobs as well, a training with its state kept: the next Snakemake starts them again.
FBNET = shlex.quote(str(Path(sys.executable).with_name("fbnet")))
if SETPRIV := shutil.which("setpriv"):
    FBNET = f"exec {shlex.quote(SETPRIV)} --pdeathsig TERM {FBNET}"

# Snakemake compares times, and a clock may have been ahead when they were written.
set_back(path for declared in DECLARED.values() for path in declared.outputs)

# Newer than every stale result and like no other file: what is stale is made from it as well, and so made again. Hardly
# newer, for what is made from it to be newer still if the clock is set right meanwhile.
MARKER = paths.WORK / "stale" / uuid.uuid4().hex
MARKER.parent.mkdir(parents=True, exist_ok=True)
MARKER.write_text(MARKER.name)
REPLACED = [path for result, why in STALE.items() if why is not None for path in DECLARED[result].outputs]
NEWEST = max((path.stat().st_mtime for path in REPLACED if path.exists()), default=0)
os.utime(MARKER, (NEWEST + 1, NEWEST + 1))
atexit.register(MARKER.unlink, missing_ok=True)

# Said before anything starts; what needs none of it still goes.
if workflow.is_main_process:
    if any(STALE.values()) and paths.RESULTS.exists() and not os.access(paths.RESULTS, os.W_OK):
        print(f"fbnet: {paths.RESULTS}: cannot be written; see to its permissions and the disk", file=sys.stderr)
    for line in missing_inputs(STUDY):
        print(f"fbnet: {line}", file=sys.stderr)
    for result, why in STALE.items():
        if why is not None and why.changed:
            print(f"fbnet: {result} is stale: {why}", file=sys.stderr)

# Trainings go side by side and share out the cores, for loader processes: 16 on 64 cores get 4 each, on 2 cores 1. What
# a study computes with on a CPU it says itself, as the last bits depend on it.
TRAININGS = len(STUDY.runs) * len(STUDY.settings.seeds)
COMPUTING = max(STUDY.settings.evaluation.threads, *(STUDY.training_of(run).threads for run in STUDY.runs))
THREADS = max(COMPUTING, (workflow.cores or 1) // TRAININGS)

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


def needs(kind, name):
    """What a result is made from. Where that still holds, files of another time do not matter."""
    result = Result(kind, name)
    declared = DECLARED[result]
    files = [path for entry in declared.inputs for path in DECLARED[entry].outputs]
    if STALE[result] is None:
        return {"files": [ancient(str(path)) for path in [*files, *declared.files]]}
    for entry in declared.inputs:
        for path in DECLARED[entry].outputs if STALE[entry] is None else ():
            if not path.exists():
                record = paths.provenance_file(STUDY.name, entry.kind, entry.name)
                print(
                    f"fbnet: {path}: is needed for {result}, but not here; `dvc pull` it, or delete {record} to make "
                    "it again",
                    file=sys.stderr,
                )
                raise SystemExit(2)
    return {"files": [str(path) for path in [*files, *declared.files]], "stale": str(MARKER)}


def needs_of_run(kind):
    """The same for what comes of a run, as an input function."""
    return lambda wildcards: needs(kind, f"{wildcards.run}/seed{wildcards.seed}")


def of_run(file, **which):
    """A result's path with the wildcards {run} and {seed}."""
    return str(file(STUDY.name, "{run}", "{seed}", **which))


def record_of_run(kind):
    """The record of what comes of a run, with the wildcards {run} and {seed}."""
    return str(paths.provenance_file(STUDY.name, kind, "{run}/seed{seed}"))
