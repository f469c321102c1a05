# Tables and figures out of metrics and samples.
rule table:
    input:
        unpack(lambda wildcards: needs("table", wildcards.table)),
    output:
        files=[str(path) for path in paths.table_files(STUDY.name, "{table}")],
        metrics=str(paths.table_metrics_file(STUDY.name, "{table}")),
        provenance=str(paths.provenance_file(STUDY.name, "table", "{table}")),
    log:
        f"{LOGS}/{{table}}.log",
    benchmark:
        f"{LOGS}/{{table}}.benchmark.tsv"
    shell:
        "{FBNET} table --study {STUDY.name} {wildcards.table} > {log} 2>&1"


rule figure:
    input:
        unpack(lambda wildcards: needs("figure", wildcards.figure)),
    output:
        files=[str(path) for path in paths.figure_files(STUDY.name, "{figure}")],
        provenance=str(paths.provenance_file(STUDY.name, "figure", "{figure}")),
    log:
        f"{LOGS}/{{figure}}.log",
    benchmark:
        f"{LOGS}/{{figure}}.benchmark.tsv"
    shell:
        "{FBNET} figure --study {STUDY.name} {wildcards.figure} > {log} 2>&1"
