# One training of one run with one seed.
rule train:
    input:
        data=data_of,
        centroids=lambda wildcards: centroids(STUDY.runs[wildcards.run].data),
        initial=lambda wildcards: [str(path) for path in [STUDY.initial_weights(wildcards.run)] if path],
    output:
        checkpoint=of_run(paths.checkpoint_file),
        history=of_run(paths.history_file),
    log:
        f"{LOGS}/train/{{run}}_seed{{seed}}.log",
    benchmark:
        f"{LOGS}/train/{{run}}_seed{{seed}}.benchmark.tsv"
    threads: THREADS
    resources:
        gpu=1,
    params:
        parameters=lambda wildcards: STUDY.training_parameters(wildcards.run),
    shell:
        "{FBNET} train --study {STUDY.name} --run {wildcards.run} --seed {wildcards.seed}"
        " --threads {threads} > {log} 2>&1"
