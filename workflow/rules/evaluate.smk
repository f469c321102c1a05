# A checkpoint on the study's evaluation split.
rule evaluate:
    input:
        data=data_of,
        checkpoint=rules.train.output.checkpoint,
    output:
        metrics=of_run(paths.metrics_file),
        samples=of_run(paths.samples_file),
    log:
        f"{LOGS}/evaluate/{{run}}_seed{{seed}}.log",
    benchmark:
        f"{LOGS}/evaluate/{{run}}_seed{{seed}}.benchmark.tsv"
    threads: THREADS
    resources:
        gpu=1,
    params:
        settings=asdict(STUDY.settings.evaluation),
    shell:
        "{FBNET} evaluate --study {STUDY.name} --run {wildcards.run} --seed {wildcards.seed}"
        " --threads {threads} > {log} 2>&1"
