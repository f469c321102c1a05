# One training of one run with one seed.
rule train:
    input:
        unpack(needs_of_run("train")),
    output:
        checkpoint=of_run(paths.checkpoint_file),
        history=of_run(paths.history_file),
        provenance=record_of_run("train"),
    log:
        f"{LOGS}/train/{{run}}_seed{{seed}}.log",
    benchmark:
        f"{LOGS}/train/{{run}}_seed{{seed}}.benchmark.tsv"
    threads: THREADS
    resources:
        gpu=1,
    shell:
        "{FBNET} train --study {STUDY.name:q} --run {wildcards.run:q} --seed {wildcards.seed:q}"
        " --workers {threads} --gpus {resources.gpu} > {log:q} 2>&1"
