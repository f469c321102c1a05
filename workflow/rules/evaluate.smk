# A checkpoint on its evaluation split, at a single scale.
rule evaluate:
    input:
        unpack(needs_of_run("evaluate")),
    output:
        metrics=of_run(paths.metrics_file),
        samples=of_run(paths.samples_file),
        provenance=record_of_run("evaluate"),
    log:
        f"{LOGS}/evaluate/{{run}}_seed{{seed}}.log",
    benchmark:
        f"{LOGS}/evaluate/{{run}}_seed{{seed}}.benchmark.tsv"
    threads: THREADS
    resources:
        gpu=1,
    shell:
        "{FBNET} evaluate --study {STUDY.name:q} --run {wildcards.run:q} --seed {wildcards.seed:q} > {log:q} 2>&1"


# The same at several scales.
rule evaluate_multi_scale:
    input:
        unpack(needs_of_run("evaluate_multi_scale")),
    output:
        metrics=of_run(paths.metrics_file, scales="multi_scale"),
        provenance=record_of_run("evaluate_multi_scale"),
    log:
        f"{LOGS}/evaluate/{{run}}_seed{{seed}}_multi_scale.log",
    benchmark:
        f"{LOGS}/evaluate/{{run}}_seed{{seed}}_multi_scale.benchmark.tsv"
    threads: THREADS
    resources:
        gpu=1,
    shell:
        "{FBNET} evaluate --multi-scale --study {STUDY.name:q} --run {wildcards.run:q} --seed {wildcards.seed:q} > {log:q} 2>&1"


# Predictions for the test server, of the runs that leave no labelled image to evaluate them on.
rule export:
    input:
        unpack(needs_of_run("export")),
    output:
        predictions=of_run(paths.export_file),
        provenance=record_of_run("export"),
    log:
        f"{LOGS}/export/{{run}}_seed{{seed}}.log",
    benchmark:
        f"{LOGS}/export/{{run}}_seed{{seed}}.benchmark.tsv"
    threads: THREADS
    resources:
        gpu=1,
    shell:
        "{FBNET} export {wildcards.run:q} --study {STUDY.name:q} --seed {wildcards.seed:q} > {log:q} 2>&1"
