# Check and pack raw images and labels: a rule for each data set of the study.
for role, data in STUDY.settings.data.items():

    rule:
        name:
            f"prepare_{role}"
        input:
            **inputs("prepare", data.dataset),
        output:
            WORKFLOW.outputs("prepare", data.dataset),
        log:
            f"{LOGS}/prepare_{role}.log",
        benchmark:
            f"{LOGS}/prepare_{role}.benchmark.tsv"
        params:
            role=role,
        shell:
            "{FBNET} prepare --study {STUDY.name:q} --data {params.role:q} > {log:q} 2>&1"

    if Result("centroids", data.dataset) in WORKFLOW.graph.nodes:

        # Class centroids, for class-uniform sampling; the data do not depend on their tiles.
        rule:
            name:
                f"centroids_{role}"
            input:
                **inputs("centroids", data.dataset),
            output:
                WORKFLOW.outputs("centroids", data.dataset),
            log:
                f"{LOGS}/centroids_{role}.log",
            benchmark:
                f"{LOGS}/centroids_{role}.benchmark.tsv"
            params:
                role=role,
            shell:
                "{FBNET} centroids --study {STUDY.name:q} --data {params.role:q} > {log:q} 2>&1"


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
