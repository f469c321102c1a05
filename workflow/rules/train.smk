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
    shell:
        "{FBNET} train --study {STUDY.name:q} --run {wildcards.run:q} --seed {wildcards.seed:q}"
        " --workers {threads} --gpus {resources.gpu} > {log:q} 2>&1"
