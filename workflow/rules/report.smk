# Make tables and figures from metrics and samples.
def reported(files, suffix, **about):
    """Mark the file with this suffix for Snakemake's own report."""
    return [report(path, **about) if path.endswith(suffix) else path for path in files]


rule table:
    input:
        unpack(lambda wildcards: inputs("table", wildcards.table)),
    output:
        reported(
            WORKFLOW.outputs("table", "{table}"),
            ".csv",
            caption="../report/table.rst",
            category="Tables",
            labels=lambda wildcards: {
                "table": wildcards.table,
                "study": STUDY.name,
                "data": STUDY.data_of_table(wildcards.table).dataset,
            },
        ),
    log:
        f"{LOGS}/{{table}}.log",
    benchmark:
        f"{LOGS}/{{table}}.benchmark.tsv"
    shell:
        "{FBNET} table --study {STUDY.name:q} {wildcards.table:q} > {log:q} 2>&1"


rule figure:
    input:
        unpack(lambda wildcards: inputs("figure", wildcards.figure)),
    output:
        reported(
            WORKFLOW.outputs("figure", "{figure}"),
            ".png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "study": STUDY.name, "data": STUDY.data.dataset},
        ),
    log:
        f"{LOGS}/{{figure}}.log",
    benchmark:
        f"{LOGS}/{{figure}}.benchmark.tsv"
    shell:
        "{FBNET} figure --study {STUDY.name:q} {wildcards.figure:q} > {log:q} 2>&1"
