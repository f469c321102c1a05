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
