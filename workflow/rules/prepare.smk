# Check and pack raw images and labels: a rule for each split of the study.
for role, split in STUDY.splits:
    result = prepared(STUDY, role, split)

    rule:
        name:
            f"prepare_{role}_{split}"
        input:
            **inputs(result.kind, result.name),
        output:
            WORKFLOW.outputs(result.kind, result.name),
        log:
            f"{LOGS}/prepare_{role}_{split}.log",
        benchmark:
            f"{LOGS}/prepare_{role}_{split}.benchmark.tsv"
        resources:
            runtime=requests.PREPARATION_MINUTES,
        params:
            part=["--data", role, "--split", split],
        shell:
            "{FBNET} prepare --study {STUDY.name:q} {params.part:q} > {log:q} 2>&1"


# Class centroids, for class-uniform sampling; the packed data do not depend on their tiles.
for role, split, tile in STUDY.centroids:
    result = centroids(STUDY, role, split, tile)

    rule:
        name:
            f"centroids_{role}_{split}_{tile}"
        input:
            **inputs(result.kind, result.name),
        output:
            WORKFLOW.outputs(result.kind, result.name),
        log:
            f"{LOGS}/centroids_{role}_{split}_{tile}.log",
        benchmark:
            f"{LOGS}/centroids_{role}_{split}_{tile}.benchmark.tsv"
        resources:
            runtime=requests.PREPARATION_MINUTES,
        params:
            part=["--data", role, "--split", split, "--tile", tile],
        shell:
            "{FBNET} centroids --study {STUDY.name:q} {params.part:q} > {log:q} 2>&1"


# Check and record files of initial weights before the first training; nothing is downloaded. `update` keeps the record
# until the job has compared it with the file.
rule weights:
    output:
        update(str(paths.weights_record("{weights}"))),
    log:
        f"{LOGS}/weights/{{weights}}.log",
    benchmark:
        f"{LOGS}/weights/{{weights}}.benchmark.tsv"
    params:
        entry=lambda wildcards: WORKFLOW.weights[wildcards.weights],
    shell:
        "{FBNET} record-weights {params.entry:q} > {log:q} 2>&1"
