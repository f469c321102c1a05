"""A study whose results are made of nothing, in a moment."""

import pytest

from fbnet.config.load import load_study
from fbnet.provenance.graph import Graph, build_graph
from fbnet.provenance.records import recording


def load_graph() -> Graph:
    """Return the graph of the study `toy` as it stands in the working directory."""
    return build_graph(load_study("toy"))


def make_all(graph: Graph) -> None:
    """Make and record every result; each file holds its own path."""
    for result, node in graph.results.items():
        with recording(graph, result):
            for path in (*node.identity, *node.byproducts):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(str(path))


@pytest.fixture
def made(project) -> Graph:
    """The graph of a small study, everything made."""
    project.write_study(
        seeds=[0],
        runs=["fcn_r50", "fcn_r50_fbnet"],
        tables=["table_1"],
        figures=["figure_2"],
        figure_runs={"baseline": "fcn_r50", "fbnet": "fcn_r50_fbnet"},
    )
    graph = load_graph()
    make_all(graph)
    return graph
