# Evaluate a checkpoint: a rule for a single scale and one for several, which write different files.
for kind, options, suffix in [
    ("evaluate", [], ""),
    ("evaluate_multi_scale", ["--multi-scale"], "_multi_scale"),
]:

    rule:
        name:
            kind
        input:
            unpack(inputs_of_run(kind)),
        output:
            WORKFLOW.outputs(kind),
        log:
            f"{LOGS}/evaluate/{{run}}_seed{{seed}}{suffix}.log",
        benchmark:
            f"{LOGS}/evaluate/{{run}}_seed{{seed}}{suffix}.benchmark.tsv"
        threads: WORKFLOW.threads
        resources:
            gpu=1,
            runtime=requests.EVALUATION_MINUTES,
            mem_mb=lambda wildcards, threads: requests.memory_mb(threads),
        params:
            options=options,
            device=lambda wildcards, resources: WORKFLOW.device_options(resources.gpu),
        shell:
            "{FBNET} evaluate {params.options:q} {params.device:q} --study {STUDY.name:q} --run {wildcards.run:q}"
            " --seed {wildcards.seed:q} > {log:q} 2>&1"


# Measure feature camouflage, for the figures that show it.
rule measure:
    input:
        unpack(inputs_of_run("measure")),
    output:
        WORKFLOW.outputs("measure"),
    log:
        f"{LOGS}/measure/{{run}}_seed{{seed}}.log",
    benchmark:
        f"{LOGS}/measure/{{run}}_seed{{seed}}.benchmark.tsv"
    threads: WORKFLOW.threads
    resources:
        gpu=1,
        runtime=requests.EVALUATION_MINUTES,
        mem_mb=lambda wildcards, threads: requests.memory_mb(threads),
    params:
        device=lambda wildcards, resources: WORKFLOW.device_options(resources.gpu),
    shell:
        "{FBNET} measure {params.device:q} --study {STUDY.name:q} --run {wildcards.run:q} --seed {wildcards.seed:q}"
        " > {log:q} 2>&1"


# Predict the test server's images, for runs that leave no labelled image to evaluate them on.
rule export:
    input:
        unpack(inputs_of_run("export")),
    output:
        WORKFLOW.outputs("export"),
    log:
        f"{LOGS}/export/{{run}}_seed{{seed}}.log",
    benchmark:
        f"{LOGS}/export/{{run}}_seed{{seed}}.benchmark.tsv"
    threads: WORKFLOW.threads
    resources:
        gpu=1,
        runtime=requests.EVALUATION_MINUTES,
        mem_mb=lambda wildcards, threads: requests.memory_mb(threads),
    params:
        device=lambda wildcards, resources: WORKFLOW.device_options(resources.gpu),
    shell:
        "{FBNET} submit {wildcards.run:q} {params.device:q} --study {STUDY.name:q} --seed {wildcards.seed:q} > {log:q} 2>&1"
