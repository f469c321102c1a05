# Tables and figures out of metrics and samples; `snakemake --report` shows one file of each.
def reported(files, suffix, **about):
    """The paths of a table or figure, the one of this suffix marked for Snakemake's own report."""
    return [report(str(path), **about) if path.suffix == suffix else str(path) for path in files]


rule table:
    input:
        unpack(lambda wildcards: needs("table", wildcards.table)),
    output:
        files=reported(
            paths.table_files(STUDY.name, "{table}"),
            ".csv",
            caption="../report/table.rst",
            category="Tables",
            labels=lambda wildcards: {
                "table": wildcards.table,
                "study": STUDY.name,
                "data": STUDY.data_of_table(wildcards.table).dataset,
            },
        ),
        metrics=str(paths.table_metrics_file(STUDY.name, "{table}")),
        provenance=str(paths.provenance_file(STUDY.name, "table", "{table}")),
    log:
        f"{LOGS}/{{table}}.log",
    benchmark:
        f"{LOGS}/{{table}}.benchmark.tsv"
    shell:
        "{FBNET} table --study {STUDY.name:q} {wildcards.table:q} > {log:q} 2>&1"


rule figure:
    input:
        unpack(lambda wildcards: needs("figure", wildcards.figure)),
    output:
        files=reported(
            paths.figure_files(STUDY.name, "{figure}"),
            ".png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}", "study": STUDY.name, "data": STUDY.data.dataset},
        ),
        provenance=str(paths.provenance_file(STUDY.name, "figure", "{figure}")),
    log:
        f"{LOGS}/{{figure}}.log",
    benchmark:
        f"{LOGS}/{{figure}}.benchmark.tsv"
    shell:
        "{FBNET} figure --study {STUDY.name:q} {wildcards.figure:q} > {log:q} 2>&1"
