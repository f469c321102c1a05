# Raw images and labels, checked and packed: a rule for each data set of the study.
for role, data in STUDY.settings.data.items():

    rule:
        name:
            f"prepare_{role}"
        input:
            **needs("prepare", data.dataset),
        output:
            prepared=[str(path) for path in data.prepared_files],
            provenance=str(paths.provenance_file(STUDY.name, "prepare", data.dataset)),
        log:
            f"{LOGS}/prepare_{role}.log",
        benchmark:
            f"{LOGS}/prepare_{role}.benchmark.tsv"
        params:
            role=role,
        shell:
            "{FBNET} prepare --study {STUDY.name:q} --data {params.role:q} > {log:q} 2>&1"

    if Result("centroids", data.dataset) in DECLARED:

        # Where the classes are, for class-uniform sampling; apart from the data, which do not depend on it.
        rule:
            name:
                f"centroids_{role}"
            input:
                **needs("centroids", data.dataset),
            output:
                centroids=[str(path) for path in DECLARED[Result("centroids", data.dataset)].outputs],
                provenance=str(paths.provenance_file(STUDY.name, "centroids", data.dataset)),
            log:
                f"{LOGS}/centroids_{role}.log",
            benchmark:
                f"{LOGS}/centroids_{role}.benchmark.tsv"
            params:
                role=role,
            shell:
                "{FBNET} centroids --study {STUDY.name:q} --data {params.role:q} > {log:q} 2>&1"


# What the files of initial weights are, checked and noted before the first training; nothing is fetched here. A note
# is never taken away before the job, for a changed file to be noticed.
rule weights:
    output:
        update(str(paths.weights_record("{weights}"))),
    log:
        f"{LOGS}/weights/{{weights}}.log",
    benchmark:
        f"{LOGS}/weights/{{weights}}.benchmark.tsv"
    params:
        entry=lambda wildcards: INITIAL_WEIGHTS[wildcards.weights],
    shell:
        "{FBNET} record-weights {params.entry:q} > {log:q} 2>&1"
