"""Snakemake's rules against the graph that provenance, audit and report read."""

from pathlib import Path

import pytest

from fbnet.config.load import load_study
from fbnet.provenance.graph import build_graph
from tests.conftest import EVERYTHING
from tests.workflow.test_workflow import snakemake

pytestmark = pytest.mark.workflow


def test_rules_write_what_the_graph_declares(workflow):
    """For a study with every kind of result, as Snakemake itself lists the outputs."""
    workflow.write_study(**EVERYTHING, figures=["figure_2", "intensity"], seeds=[0])
    graph = build_graph(load_study("toy"))
    assert {result.kind for result in graph.results} == {
        "prepare", "centroids", "train", "evaluate", "evaluate_multi_scale", "export", "measure", "table", "figure",
    }  # fmt: skip
    targets = [str(node.identity[0]) for node in graph.results.values()]
    summary = snakemake("--summary", "--config", "study=toy", "--", *targets)
    assert summary.returncode == 0, summary.stderr
    _, *rows = [line.split("\t") for line in summary.stdout.splitlines()]
    rules = {Path(row[0]): row[2] for row in rows}
    declared = {path: result for result, node in graph.results.items() for path in node.outputs}
    assert rules.keys() == declared.keys()
    for path, rule in rules.items():
        role_rules = ("prepare", "centroids")  # one rule per data set
        kind = declared[path].kind
        assert rule.startswith(f"{kind}_") if kind in role_rules else rule == kind
