# Raw images and labels, checked and packed: a rule for each data set of the study.
for role, data in STUDY.settings.data.items():

    rule:
        name:
            f"prepare_{role}"
        output:
            prepared(role),
        log:
            f"{LOGS}/prepare_{role}.log",
        benchmark:
            f"{LOGS}/prepare_{role}.benchmark.tsv"
        params:
            role=role,
            # What the prepared data depend on, so that a change makes them anew; not where the raw data happen to lie.
            source=data.source,
            splits=data.splits,
        shell:
            "{FBNET} prepare --study {STUDY.name} --data {params.role} > {log} 2>&1"

    if any(part[0] == role for run in STUDY.runs for part in STUDY.centroids_of(run)):

        # Where the classes are, for class-uniform sampling; apart from the data, which do not depend on it.
        rule:
            name:
                f"centroids_{role}"
            input:
                data=prepared(role),
            output:
                sorted({file for run in STUDY.runs for file in centroids(run, role)}),
            log:
                f"{LOGS}/centroids_{role}.log",
            benchmark:
                f"{LOGS}/centroids_{role}.benchmark.tsv"
            params:
                role=role,
            shell:
                "{FBNET} centroids --study {STUDY.name} --data {params.role} > {log} 2>&1"


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
        "{FBNET} record-weights {params.entry:q} > {log} 2>&1"
