# Train one run with one seed.
rule train:
    input:
        unpack(inputs_of_run("train")),
    output:
        WORKFLOW.outputs("train"),
    log:
        f"{LOGS}/train/{{run}}_seed{{seed}}.log",
    benchmark:
        f"{LOGS}/train/{{run}}_seed{{seed}}.benchmark.tsv"
    threads: WORKFLOW.threads
    resources:
        gpu=1,
        runtime=requests.TRAINING_MINUTES,
        mem_mb=lambda wildcards, threads: requests.memory_mb(threads),
    params:
        command=lambda wildcards, threads, resources: WORKFLOW.command(
            WORKFLOW.launcher(threads, dict(resources.items()))
        ),
        options=lambda wildcards, threads, resources: WORKFLOW.training_options(threads, dict(resources.items())),
    shell:
        "{params.command} train --study {STUDY.name:q} --run {wildcards.run:q} --seed {wildcards.seed:q}"
        " {params.options:q} > {log:q} 2>&1"
