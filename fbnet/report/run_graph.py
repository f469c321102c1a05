"""The runs of a study as a graph: which starts from which, which is measured against which, and what needs them."""

from dataclasses import dataclass
from typing import Literal

from fbnet.config.registry import BACKBONES
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.report import captions

ROW = 26  # pixels
INDENT = 22
LEFT = 30
RADIUS = 5
TEXT = 12  # from a node to its name
LETTER = 7.5  # of a name, in a monospaced font; others are hardly wider
GAP = 20
NEED = 34

Need = Literal["shown", "taken", ""]
"""Whether a table or figure shows a run, or takes it as a baseline or a start."""


@dataclass(frozen=True)
class Node:
    """A run's line."""

    run: str
    network: str
    data: str
    modulated: bool
    """Whether it has FBNet, or a part of it."""
    x: float
    y: float
    needs: tuple[Need, ...]
    """By the graph's columns."""


@dataclass(frozen=True)
class Link:
    """From a run to one that starts from it or is measured against it."""

    kind: Literal["start", "baseline"]
    path: str
    """As an svg path's `d`."""


@dataclass(frozen=True)
class Graph:
    """Everything that is to be drawn, in pixels."""

    width: float
    height: float
    network_x: float
    data_x: float
    columns: tuple[tuple[str, float], ...]
    """Tables and figures with the middle of their columns."""
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]


def lay_out(study: Study) -> Graph:
    """The graph of a study's runs, each below the run that it starts from or is measured against."""
    nodes = [
        _node(study, study.run(run), LEFT + depth * INDENT, ROW * (index + 0.5))
        for index, (run, depth) in enumerate(_order(study))
    ]
    network_x = max(node.x + TEXT + LETTER * len(node.run) for node in nodes) + GAP
    data_x = network_x + LETTER * max(len(node.network) for node in nodes) + GAP
    first = data_x + LETTER * max(len(node.data) for node in nodes) + GAP
    by_run = {node.run: node for node in nodes}
    return Graph(
        width=first + NEED * (len(study.tables) + len(study.figures)),
        height=ROW * len(nodes),
        network_x=network_x,
        data_x=data_x,
        columns=tuple(
            (captions.lead(name), first + NEED * (index + 0.5))
            for index, name in enumerate([*study.tables, *study.figures])
        ),
        nodes=tuple(nodes),
        links=tuple(link for node in nodes for link in _links(study.run(node.run), by_run)),
    )


def _order(study: Study) -> list[tuple[str, int]]:
    """The runs, each followed by those that hang on it, with how deep they hang."""
    children: dict[str | None, list[str]] = {}
    for run in study.runs.values():
        children.setdefault(_parent(run, study.runs), []).append(run.id)

    def below(parent: str | None, depth: int) -> list[tuple[str, int]]:
        return [entry for run in children.get(parent, ()) for entry in [(run, depth), *below(run, depth + 1)]]

    return below(None, 0)


def _parent(run: RunConfig, runs) -> str | None:
    """What it hangs on: its start, else its baseline, where the study has that."""
    if run.start is not None:
        return run.start
    return run.baseline if run.baseline in runs else None


def _links(run: RunConfig, nodes: dict[str, Node]) -> list[Link]:
    links = []
    if run.start is not None:
        links.append(Link("start", _elbow(nodes[run.start], nodes[run.id])))
    if run.baseline in nodes:
        draw = _elbow if run.start is None else _arc
        links.append(Link("baseline", draw(nodes[run.baseline], nodes[run.id])))
    return links


def _elbow(parent: Node, child: Node) -> str:
    return f"M{parent.x:g} {parent.y + RADIUS:g}V{child.y:g}H{child.x - RADIUS:g}"


def _arc(parent: Node, child: Node) -> str:
    """Around the left, for a run that hangs on another one already."""
    left = min(parent.x, child.x) - LEFT + 6
    start, end = parent.x - RADIUS, child.x - RADIUS
    return f"M{start:g} {parent.y:g}C{left:g} {parent.y:g} {left:g} {child.y:g} {end:g} {child.y:g}"


def _node(study: Study, run: RunConfig, x: float, y: float) -> Node:
    coarse = " + coarse" if run.coarse_classes else ""
    return Node(
        run=run.id,
        network=f"{run.label}, {BACKBONES[run.backbone].title}",
        data=f"{study.data_of(run.id).dataset}, {' + '.join(study.training_splits(run.id))}{coarse}",
        modulated=bool(run.balance.stages),
        x=x,
        y=y,
        needs=(
            *(_table_need(study, name, run.id) for name in study.tables),
            *(_figure_need(study, run.id) for _ in study.figures),  # a study without figures may lack their runs
        ),
    )


def _table_need(study: Study, table: str, run: str) -> Need:
    if run in study.table(table).rows:
        return "shown"
    return "taken" if run in study.runs_of_table(table) else ""


def _figure_need(study: Study, run: str) -> Need:
    shown = (study.figure_runs.baseline, study.figure_runs.fbnet)
    if run in shown:
        return "shown"
    return "taken" if any(run in study.ancestors(name) for name in shown) else ""
