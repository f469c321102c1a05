"""Everything that the Snakefile asks for: inputs, outputs, threads, wildcards and commands of a study's jobs.

Provenance decides what is stale; Snakemake, which compares times, learns it through a marker file. Only the main
process of a real run writes anything. Imports neither Snakemake nor torch.
"""

import atexit
import logging
import os
import re
import shlex
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path

from fbnet import log, paths
from fbnet.config.load import load_study
from fbnet.config.study import Study
from fbnet.errors import InputError, of_system
from fbnet.io.files import refuse_lost_links, set_back
from fbnet.planning import requests
from fbnet.planning.plan import missing_inputs
from fbnet.provenance import kept
from fbnet.provenance.graph import Kind, Node, Result, build_graph, rule_outputs
from fbnet.provenance.precision import agree, is_open
from fbnet.provenance.staleness import Stale, stale
from fbnet.runtime import slurm, snakemake_lock, stop_signals
from fbnet.runtime.precision import machine_precision

logger = logging.getLogger(__name__)
SNAKEMAKE = Path(".snakemake")
SUBMITTED = SNAKEMAKE / "submitted"
"""There while jobs may be in the queue of a cluster."""


class Workflow:
    """The jobs of a study, as one Snakemake process sees them.

    Args:
        study: The study.
        main_process: False in a process that Snakemake started for a single job; there nothing is stale.
        dry_run: True if Snakemake only plans.
        remote: True in a job of a cluster.
        in_container: True if jobs run in a container, which has an environment of its own.
    """

    def __init__(
        self,
        study: Study,
        *,
        main_process: bool = True,
        dry_run: bool = False,
        remote: bool = False,
        in_container: bool = False,
    ):
        self.study = study
        self.main_process = main_process
        self.dry_run = dry_run
        self.remote = remote
        self.in_container = in_container
        self.graph = build_graph(study)
        self.marker: Path | None = None
        self.logs = str(paths.LOGS / study.name)
        trainings = (study.training_of(run) for run in study.runs)
        # What a CPU computes with, as the last bits depend on it. Profiles and --set-threads give loaders more.
        self.threads = max(settings.threads for settings in (study.settings.evaluation, *trainings))
        entries = filter(None, map(study.initial_weights, study.runs))
        self.weights = {paths.weights_record(entry).stem: entry for entry in entries}  # by the wildcard {weights}
        self.wildcards = {
            "run": "|".join(study.runs),
            "seed": "|".join(map(str, study.settings.seeds)),
            "table": "|".join(study.tables) or "none",
            "figure": "|".join(study.figures) or "none",
            "weights": "|".join(map(re.escape, self.weights)) or "none",
        }

    @cached_property
    def stale(self) -> dict[Result, Stale | None]:
        """Why each result has to be made again, for the main process.

        Raises:
            InputError: for a damaged provenance record.
        """
        return stale(self.graph) if self.main_process else {}

    def inputs(self, kind: Kind, name: str) -> dict[str, list[str] | str]:
        """Return the input files of a job, with the marker as `stale` if its result is stale.

        Raises:
            InputError: if the study has no such result, or a stale one needs a file of an up-to-date one that is not
                here.
        """
        result = Result(kind, name)
        if result not in self.graph.nodes:
            raise InputError(f"study {self.study.name}: there is no {result}; see {paths.study_file(self.study.name)}")
        needed = self.graph.read_by(result)
        files = [str(path) for path in (*(path for _, path in needed), *self.graph[result].files)]
        if self.stale.get(result) is None:
            return {"files": files}
        for entry, path in needed:
            if self.stale[entry] is None and not path.exists():
                raise InputError(
                    f"{path}: is needed for {result}, but not here; `dvc pull` it, or delete "
                    f"{self.graph[entry].record} to make it again"
                )
        return {"files": files, "stale": str(self.marker)}

    def outputs(self, kind: Kind, name: str = "{run}/seed{seed}") -> list[str]:
        """Return the output files of a job; those of a run, table or figure as patterns if its name has wildcards."""
        node = self.graph.nodes.get(Result(kind, name)) or Node(
            parameters={}, **rule_outputs(self.study.name, kind, name)
        )
        return [str(path) for path in node.outputs]

    def command(self, launcher: str = "") -> str:
        """Return the `fbnet` command of a job, quoted: of this environment, or of the container that the job runs in.

        Under Linux's `setpriv`, the kernel ends jobs with their Snakemake; a training then keeps its state.

        Args:
            launcher: a command that starts it, perhaps several times, such as srun with its options.
        """
        if self.in_container:
            return f"{launcher} python -m fbnet".lstrip()
        command = f"{launcher} {shlex.quote(str(Path(sys.executable).with_name('fbnet')))}".lstrip()
        setpriv = shutil.which("setpriv")
        return command if setpriv is None else f"exec {shlex.quote(setpriv)} --pdeathsig TERM {command}"

    def training_options(self, threads: int, resources: Mapping[str, object]) -> list[str]:
        """Options of `fbnet train` in a job.

        Args:
            threads: cores of the job.
            resources: of the job: `gpu`, the number of GPUs, 0 to train on the CPU; perhaps `scratch`, a folder.
        """
        gpus = max(1, resources["gpu"])
        options = ["--gpus", str(gpus), "--workers", str(requests.loaders(threads, gpus))]
        options += self.device_options(resources["gpu"])
        options += ["--scratch", str(resources["scratch"])] if "scratch" in resources else []
        return [*options, "--requeue"] if self.remote else options

    @staticmethod
    def launcher(threads: int, resources: Mapping[str, object]) -> str:
        """Return the command that starts a training's processes on several nodes; empty if they are on one.

        Args:
            threads: cores of each process.
            resources: of the job: `mpi`, the command, and `tasks`, the number of processes.
        """
        if "mpi" not in resources:
            return ""
        return f"{resources['mpi']} --ntasks={resources['tasks']} --cpus-per-task={threads} --wait=60"

    @staticmethod
    def device_options(gpu: int) -> list[str]:
        """Options of a command that computes with so many GPUs."""
        return ["--device", "cpu"] if gpu == 0 else []

    def begin(self) -> None:
        """Prepare the main process for its jobs; a dry run writes nothing into the project.

        The marker, an input of all stale jobs, makes Snakemake run them again: it is newer than any stale result and
        unlike any other file. It is hardly newer, for new results to be newer still if the clock is set right
        meanwhile. Jobs on other hosts wait for it, so a real run has it in `work/`.

        Raises:
            InputError: for a damaged provenance record, a link that leads nowhere, and a folder that takes no files.
            OSError: if the system refuses a file.
        """
        self._check_folders()
        if self.dry_run:
            self.report()
            self._temporary = tempfile.TemporaryDirectory(prefix="fbnet-")  # removed at exit
            folder = Path(self._temporary.name)
        else:
            self._alive = snakemake_lock.enter(clean_up=self._clean_up)  # held to the end
            # Snakemake compares times, and a clock may have been ahead when they were written.
            set_back(path for node in self.graph.results.values() for path in node.outputs)
            folder = paths.WORK / "stale"
        stale_results = [result for result, why in self.stale.items() if why is not None]
        if not stale_results:
            return
        if paths.RESULTS.exists() and not os.access(paths.RESULTS, os.W_OK):
            logger.warning(f"{paths.RESULTS}: cannot be written; see to its permissions and the disk")
        if not self.dry_run and any(is_open(self.study, result.kind) for result in stale_results):
            agreed = agree(self.study, machine_precision)  # jobs on other hosts find it, too
            logger.info(f"study {self.study.name}: `precision: auto` is {agreed.precision}, see {agreed.file}")
        existing = [path for result in stale_results for path in self.graph[result].outputs if path.exists()]
        newest = max((path.stat().st_mtime for path in existing), default=0)
        self.marker = folder / uuid.uuid4().hex
        folder.mkdir(parents=True, exist_ok=True)
        self.marker.write_text(self.marker.name)
        os.utime(self.marker, (newest + 1, newest + 1))
        atexit.register(self.marker.unlink, missing_ok=True)

    def _check_folders(self) -> None:
        """Refuse what Snakemake would stumble over later, with a traceback."""
        files = [path for node in self.graph.results.values() for path in (*node.outputs, *node.files)]
        for path in (SNAKEMAKE, paths.WORK, Path(self.logs), *files):
            refuse_lost_links(path)
        if not os.access(SNAKEMAKE if SNAKEMAKE.exists() else Path(), os.W_OK):
            raise InputError(f"{SNAKEMAKE}: cannot be written, as Snakemake does even if it only plans; work in a copy")
        if os.statvfs(Path()).f_bavail == 0:
            raise InputError(f"{SNAKEMAKE}: no space left on device; make room, Snakemake needs some even to plan")

    def start(self, outputs: Iterable[str], *, remote: bool = False) -> None:
        """Keep the results whose files Snakemake is going to delete, up to its end, and report.

        To be called under Snakemake's lock. A result that is not made again is left alone: a link changes the time
        by which a file that was verified is known.

        Args:
            outputs: files of the jobs that Snakemake is going to run.
            remote: True if a scheduler runs them; jobs that are left at the end are then cancelled.
        """
        made = set(outputs)
        if remote:
            SUBMITTED.touch()
        atexit.register(self._clean_up)
        for node in self.graph.results.values():
            if str(node.record) in made:
                kept.keep(node)
        self.report()

    def _clean_up(self) -> None:
        """End the jobs that a Snakemake left in the queue of a cluster, and settle what they leave."""
        if SUBMITTED.exists():
            exit_on_bad_input(slurm.cancel_jobs, Path.cwd())
            SUBMITTED.unlink()
        self.settle()

    def settle(self) -> None:
        """Put kept results without a successor back, and drop the others."""
        for node in self.graph.results.values():
            kept.settle(node)

    def report(self) -> None:
        """Say which raw data and weights are missing, and which results are stale by a change of their own."""
        due = {result for result, why in self.stale.items() if why is not None}
        for line in missing_inputs(self.study, due):
            logger.warning(line)
        for result, why in self.stale.items():
            if why is not None and why.changed:
                logger.warning(f"{result} is stale: {why}")

    def report_end(self) -> None:
        """Say which results were up to date when Snakemake began, and are not any more.

        Snakemake itself plans nothing after a training that is repeated by force, and differs.
        """
        now = exit_on_bad_input(stale, self.graph)
        found = {result: why for result, why in now.items() if why is not None and self.stale[result] is None}
        for result, why in found.items():
            logger.warning(f"{result} is stale now: {why}")
        if found:
            logger.warning("run snakemake again to make them")


def open_workflow(study: str, *, remote: bool = False, **process: bool) -> Workflow:
    """Load a study for a Snakemake process; exit with code 2 on bad input. See `Workflow` for the arguments.

    In a job of a cluster this process forwards stop signals to the command that it runs.
    """
    log.configure()
    if remote:
        stop_signals.forward_from_job()
    loaded = exit_on_bad_input(load_study, study)
    workflow = exit_on_bad_input(Workflow, loaded, remote=remote, **process)
    if workflow.main_process:
        exit_on_bad_input(workflow.begin)
    return workflow


def exit_on_bad_input(work: Callable, *arguments: object, **keywords: object):
    """Call a function, and end the process with one line and exit code 2 on bad input and system errors of files.

    SystemExit is the only exception of an input function that Snakemake does not swallow.
    """
    try:
        return work(*arguments, **keywords)
    except (InputError, OSError) as error:
        refused = of_system(error)
        if refused is None:
            raise
        logger.error(refused)
        raise SystemExit(2) from None
