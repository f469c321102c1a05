"""Check that the numbers of a row, and of a run and its baseline, were computed alike."""

from collections import defaultdict

from fbnet import paths
from fbnet.audit.chain import CellLink, Chain, Records
from fbnet.audit.findings import Check, Failure
from fbnet.config.study import Study
from fbnet.provenance.graph import Kind, Node, Result
from fbnet.provenance.records import Provenance
from fbnet.report.alike import Computed, differences, release

DONE: dict[Kind, str] = {
    "train": "trained",
    "evaluate": "evaluated",
    "evaluate_multi_scale": "evaluated",
    "export": "predicted",
}
"""Kinds of results that are compared, each with its own."""


def computed_alike(study: Study, results: dict[Result, Node], found: Records, chain: Chain) -> Check:
    """Check that all records behind a cell have one precision, one type of device and one version of torch.

    Args:
        study: the study.
        results: the results that its tables and figures need.
        found: existing records.
        chain: what each cell is made from; that of a gain includes the baseline.
    """
    by_name = {str(result): result for result in results}
    checked, failures = 0, []
    for table, rows in chain.tables.items():
        for run, cells in rows.items():
            for columns, cell in _cells_by_origin(cells):
                behind = _behind([by_name[name] for name in cell.made_from], results)
                checked += len(columns)
                phrases = _differences(behind, found)
                if phrases:
                    location = f"{paths.table_files(study.name, table)[0]}: row {run}, {', '.join(columns)}"
                    failures.append(Failure(location, f"not computed alike: {'; '.join(phrases)}"))
    return Check("cells computed alike", checked, failures=tuple(failures))


def _cells_by_origin(cells: dict[str, CellLink]) -> list[tuple[list[str], CellLink]]:
    """Columns of a row that are made from the same results, with one of their cells."""
    columns = defaultdict(list)
    for column, cell in cells.items():
        columns[cell.made_from].append(column)
    return [(names, cells[names[0]]) for names in columns.values()]


def _behind(made_from: list[Result], results: dict[Result, Node]) -> dict[Result, None]:
    """Results with everything that they are made from."""
    behind, waiting = {}, made_from
    while waiting:
        behind |= dict.fromkeys(waiting)
        waiting = [entry for result in waiting for entry in results[result].results if entry not in behind]
    return behind


def _differences(behind: dict[Result, None], found: Records) -> list[str]:
    computed: dict[Kind, dict[str, Computed]] = defaultdict(dict)
    for result in behind:
        if result.kind in DONE and result in found:
            computed[result.kind][result.name.replace("/", " ")] = _computed(found[result])
    return [phrase for kind, entries in computed.items() for phrase in differences(DONE[kind], entries)]


def _computed(record: Provenance) -> Computed:
    environment = record.environment
    device = environment.get("device")
    kind = device if device in (None, "cpu") else "cuda"  # records name the GPU
    return Computed(environment.get("precision"), kind, release(environment.get("torch")))
