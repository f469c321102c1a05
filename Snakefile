# `snakemake --cores all` makes the demo's tables and figures, `--config study=NAME` those of another study.
from snakemake.utils import min_version

min_version("9.12")


# Used with `--sdm apptainer` only; see docs/cluster.md.
container: "fbnet.sif"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    table,
    figure,
    weights,


rule all:
    default_target: True
    input:
        [str(path) for name in STUDY.tables for path in paths.table_files(STUDY.name, name)],
        [str(path) for name in STUDY.figures for path in paths.figure_files(STUDY.name, name)],
