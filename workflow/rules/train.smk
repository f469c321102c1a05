# One training of one run with one seed.
rule train:
    input:
        data=data_of,
        centroids=lambda wildcards: centroids(wildcards.run),
        initial=initial_weights,
        # The network that it starts from: whatever changes that one makes this one anew.
        start=start_of,
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
        " --threads {threads} --gpus {resources.gpu} > {log} 2>&1"
