# The study, checked, and the inputs of its jobs. All decisions are in fbnet/workflow.py.
from snakemake_interface_executor_plugins.settings import DeploymentMethod

from fbnet import paths
from fbnet.planning import requests
from fbnet.provenance.graph import centroids, prepared
from fbnet.workflow import exit_on_bad_input, open_workflow

WORKFLOW = open_workflow(
    str(config.get("study", "demo")),
    main_process=workflow.is_main_process,
    dry_run=workflow.output_settings.dryrun,
    remote=workflow.remote_exec,
    in_container=DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method,
)
STUDY, LOGS, FBNET = WORKFLOW.study, WORKFLOW.logs, WORKFLOW.command()


wildcard_constraints:
    **WORKFLOW.wildcards,


def inputs(kind, name):
    """Input files of a job; the times of an up-to-date result's inputs do not matter."""
    found = exit_on_bad_input(WORKFLOW.inputs, kind, name)
    return found if "stale" in found else {"files": [ancient(path) for path in found["files"]]}


def inputs_of_run(kind):
    """Input function of the jobs of a run."""
    return lambda wildcards: inputs(kind, f"{wildcards.run}/seed{wildcards.seed}")


onstart:
    WORKFLOW.start(
        (path for job in workflow.dag.needrun_jobs() for path in job.output),
        remote=workflow.non_local_exec,
    )


onsuccess:
    WORKFLOW.report_end()
