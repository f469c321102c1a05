# Raw images and labels, checked and packed: a rule for each data set of the study.
for role, data in STUDY.settings.data.items():

    rule:
        name:
            f"prepare_{role}"
        output:
            prepared(data),
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

    if STUDY.settings.training.class_uniform:

        # Where the classes are, for class-uniform sampling; apart from the data, which do not depend on it.
        rule:
            name:
                f"centroids_{role}"
            input:
                data=prepared(data),
            output:
                centroids(role),
            log:
                f"{LOGS}/centroids_{role}.log",
            benchmark:
                f"{LOGS}/centroids_{role}.benchmark.tsv"
            params:
                role=role,
            shell:
                "{FBNET} centroids --study {STUDY.name} --data {params.role} > {log} 2>&1"
