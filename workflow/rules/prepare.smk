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
