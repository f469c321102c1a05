"""Audit of a study: every table cell traced to checkpoint, configuration, data and commit."""

from dataclasses import asdict, dataclass

from tabulate import tabulate

from fbnet.audit import checks, pictures
from fbnet.audit.alike import computed_alike
from fbnet.audit.chain import Chain, make_chain, read_records
from fbnet.audit.findings import Check, Failure
from fbnet.config.study import Study
from fbnet.provenance.graph import Node, Result, build_graph


@dataclass(frozen=True)
class Audit:
    """Outcome of the checks, and the chain that they followed."""

    study: str
    checks: tuple[Check, ...]
    chain: Chain

    @property
    def failures(self) -> list[Failure]:
        return [failure for check in self.checks for failure in check.failures]

    def as_dict(self) -> dict:
        """Return plain values: each check with its number of failures, all failures in one list, and the chain."""
        return {
            "study": self.study,
            "holds": not self.failures,
            "checks": [asdict(check) | {"failures": len(check.failures)} for check in self.checks],
            "failures": [asdict(failure) for failure in self.failures],
            **asdict(self.chain),
        }


def audit_study(study: Study, *, deep: bool = False) -> Audit:
    """Check everything that a study's tables and figures are made from.

    Args:
        study: the study.
        deep: also predict the kept samples again from the checkpoints; imports torch.
    """
    graph = build_graph(study)
    results = graph.needed()
    found, damaged = read_records(study, results)
    chain = make_chain(study, results, found)
    if not _has_results(results):
        problem = f"no results yet; make them with `snakemake --cores all --config study={study.name}`"
        made = [Check("records", len(results), failures=(Failure(f"study {study.name}", problem),))]
    else:
        made = [checks.records(graph, results, found, damaged), *checks.files(graph, results, found)]
        made += [checks.histories(study, found), checks.metrics(study, results), checks.tables(study)]
        made.append(computed_alike(study, results, found, chain))
        made += checks.measurements(study, results)
        made += [pictures.samples(study, results), pictures.figures(graph, found)]
        if deep:
            from fbnet.audit.deep import predictions

            made.append(predictions(study, results, found))
    return Audit(study.name, tuple(made), chain)


def to_text(audit: Audit) -> str:
    """Return the checks as a table for people, followed by one line per note and failure."""
    headers = ("checked", "number", "not here", "failures")
    rows = [(check.what, check.checked, check.not_here, len(check.failures)) for check in audit.checks]
    notes = [f"note: {note}" for check in audit.checks for note in check.notes]
    number = len(audit.failures)
    verdict = f"{number} failure{'s' * (number > 1)}" if number else "every cell holds"
    lines = [tabulate(rows, headers), *notes, *map(str, audit.failures), f"study {audit.study}: {verdict}"]
    return "\n".join(lines)


def _has_results(results: dict[Result, Node]) -> bool:
    """Return True if anything of a study exists apart from data, which belong to no study."""
    return any(
        path.exists()
        for result, node in results.items()
        if result.kind not in ("prepare", "centroids")
        for path in node.outputs
    )
