"""The audit of a study: every cell of its tables down to checkpoint, configuration, data and commit."""

from dataclasses import asdict, dataclass

from tabulate import tabulate

from fbnet.audit import checks
from fbnet.audit.chain import Chain, make_chain, read_records
from fbnet.audit.findings import Break, Check
from fbnet.config.study import Study
from fbnet.provenance.graph import Node, Result, build_graph


@dataclass(frozen=True)
class Audit:
    """What was checked, what does not hold, and the chain itself."""

    study: str
    checks: tuple[Check, ...]
    chain: Chain

    @property
    def breaks(self) -> list[Break]:
        return [found for check in self.checks for found in check.breaks]

    def as_dict(self) -> dict:
        """All of it as plain values; a check's breaks are counted, and listed together."""
        return {
            "study": self.study,
            "holds": not self.breaks,
            "checks": [asdict(check) | {"breaks": len(check.breaks)} for check in self.checks],
            "breaks": [asdict(found) for found in self.breaks],
            **asdict(self.chain),
        }


def audit_study(study: Study, *, deep: bool = False) -> Audit:
    """Audits what a study's tables and figures are made from.

    Args:
        study: the study.
        deep: whether the kept samples are predicted again from the checkpoints; imports torch.
    """
    graph = build_graph(study)
    results = graph.needed()
    found, damaged = read_records(study, results)
    if not _is_begun(results):
        problem = f"nothing of it is made; make it with `snakemake --cores all --config study={study.name}`"
        made = [Check(what="records", checked=len(results), breaks=(Break(f"study {study.name}", problem),))]
        return Audit(study.name, tuple(made), make_chain(study, results, found))
    made = [
        checks.records(graph, results, found, damaged),
        *checks.files(study, results, found),
        checks.metrics(study, results),
        checks.tables(study),
    ]
    if deep:
        from fbnet.audit.deep import predictions

        made.append(predictions(study, results, found))
    return Audit(study.name, tuple(made), make_chain(study, results, found))


def to_text(audit: Audit) -> str:
    """What was checked as a table, then notes and breaks in a line each, for people."""
    counted = [
        {
            "checked": check.what,
            "number": check.checked,
            "not here": check.not_here,
            "breaks": len(check.breaks),
        }
        for check in audit.checks
    ]
    notes = [f"note: {note}" for check in audit.checks for note in check.notes]
    breaks = [str(found) for found in audit.breaks]
    number = len(breaks)
    verdict = f"study {audit.study}: {f'{number} break' + 's' * (number > 1) if number else 'every cell holds'}"
    return "\n".join([tabulate(counted, headers="keys"), *notes, *breaks, verdict])


def _is_begun(results: dict[Result, Node]) -> bool:
    """Whether there is anything of a study but the data, which belong to no study."""
    return any(
        path.exists()
        for result, declared in results.items()
        if result.kind not in ("prepare", "centroids")
        for path in declared.outputs
    )
