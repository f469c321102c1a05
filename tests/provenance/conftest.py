"""A study whose results are made of nothing, in a moment."""

import json

import pytest

from fbnet.config.load import load_study
from fbnet.io.files import sha256
from fbnet.provenance.graph import Graph, Node, build_graph
from fbnet.provenance.recording import recording


def load_graph() -> Graph:
    """Return the graph of the study `toy` as it stands in the working directory."""
    return build_graph(load_study("toy"))


def make_all(graph: Graph) -> None:
    """Make and record every result; each file but the manifest of prepared data holds its own path."""
    for result, node in graph.results.items():
        with recording(graph, result):
            for path in (*node.identity, *node.byproducts):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(str(path))
            if result.kind == "prepare":
                write_manifest(node)


def write_manifest(node: Node) -> None:
    """Write a manifest that lists the hashes of its arrays and nothing else."""
    content = {"images": [], "sha256": {path.stem: sha256(path) for path in node.byproducts}}
    node.identity[0].write_text(json.dumps(content))


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
