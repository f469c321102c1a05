# A checkpoint on its evaluation split, at a single scale.
rule evaluate:
    input:
        data=lambda wildcards: prepared(STUDY.runs[wildcards.run].data),
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


if STUDY.settings.multi_scale:

    # The same at several scales.
    rule evaluate_multi_scale:
        input:
            data=lambda wildcards: prepared(STUDY.runs[wildcards.run].data),
            checkpoint=rules.train.output.checkpoint,
        output:
            metrics=of_run(paths.metrics_file, scales="multi_scale"),
        log:
            f"{LOGS}/evaluate/{{run}}_seed{{seed}}_multi_scale.log",
        benchmark:
            f"{LOGS}/evaluate/{{run}}_seed{{seed}}_multi_scale.benchmark.tsv"
        threads: THREADS
        resources:
            gpu=1,
        params:
            settings=asdict(STUDY.evaluation("multi_scale")),
        shell:
            "{FBNET} evaluate --multi-scale --study {STUDY.name} --run {wildcards.run} --seed {wildcards.seed}"
            " --threads {threads} > {log} 2>&1"


if "cityscapes_test" in STUDY.settings.data:

    # Predictions for the test server, of the runs that leave no labelled image to evaluate them on.
    rule export:
        input:
            data=prepared("cityscapes_test"),
            checkpoint=rules.train.output.checkpoint,
        output:
            predictions=of_run(paths.export_file),
        log:
            f"{LOGS}/export/{{run}}_seed{{seed}}.log",
        benchmark:
            f"{LOGS}/export/{{run}}_seed{{seed}}.benchmark.tsv"
        threads: THREADS
        resources:
            gpu=1,
        params:
            settings=asdict(STUDY.evaluation(STUDY.export_scales)),
        shell:
            "{FBNET} export {wildcards.run} --study {STUDY.name} --seed {wildcards.seed}"
            " --threads {threads} > {log} 2>&1"
