# Raw images and labels, checked and packed.
rule prepare:
    output:
        PREPARED,
    log:
        f"{LOGS}/prepare.log",
    benchmark:
        f"{LOGS}/prepare.benchmark.tsv"
    params:
        # What the prepared data depend on, so that a change makes them anew; not where the raw data happen to lie.
        source=STUDY.data.source,
        splits=STUDY.data.splits,
    shell:
        "{FBNET} prepare --study {STUDY.name} > {log} 2>&1"


if CENTROIDS:

    # Where the classes are, for class-uniform sampling; apart from the data, which do not depend on it.
    rule centroids:
        input:
            data=PREPARED,
        output:
            CENTROIDS,
        log:
            f"{LOGS}/centroids.log",
        benchmark:
            f"{LOGS}/centroids.benchmark.tsv"
        shell:
            "{FBNET} centroids --study {STUDY.name} > {log} 2>&1"
