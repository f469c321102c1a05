# Tables and figures out of metrics and samples.
rule table:
    input:
        results=lambda wildcards: results_of(wildcards.table),
        reported=str(paths.reported_file("{table}")),
        server_scores=lambda wildcards: server_scores(wildcards.table),
    output:
        [str(path) for path in paths.table_files(STUDY.name, "{table}")],
    log:
        f"{LOGS}/{{table}}.log",
    benchmark:
        f"{LOGS}/{{table}}.benchmark.tsv"
    params:
        table=lambda wildcards: asdict(STUDY.tables[wildcards.table]),
    shell:
        "{FBNET} table --study {STUDY.name} {wildcards.table} > {log} 2>&1"


rule figure:
    input:
        metrics=of_rows(
            paths.metrics_file,
            asdict(STUDY.figure_runs).values(),
            STUDY.settings.seeds[:1],
        ),
        samples=of_rows(
            paths.samples_file,
            asdict(STUDY.figure_runs).values(),
            STUDY.settings.seeds[:1],
        ),
    output:
        [str(path) for path in paths.figure_files(STUDY.name, "{figure}")],
    log:
        f"{LOGS}/{{figure}}.log",
    benchmark:
        f"{LOGS}/{{figure}}.benchmark.tsv"
    params:
        figure=lambda wildcards: asdict(STUDY.figures[wildcards.figure]),
    shell:
        "{FBNET} figure --study {STUDY.name} {wildcards.figure} > {log} 2>&1"
