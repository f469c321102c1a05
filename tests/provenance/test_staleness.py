"""Staleness of results, and changes that `restamp` accepts."""

import json

import pytest

from fbnet.provenance.graph import Result, of_run
from fbnet.provenance.records import read
from fbnet.provenance.staleness import Stale, restamp, stale
from tests import conftest
from tests.provenance.conftest import load_graph, make_all

TRAIN = of_run("train", "fcn_r50", 0)
EVALUATE = of_run("evaluate", "fcn_r50", 0)
TABLE = Result("table", "table_1")


def rewrite(graph, result, **changes):
    """Change fields of a record."""
    path = graph[result].record
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def reasons(graph):
    """The stale results, in words."""
    return {result: str(why) for result, why in stale(graph).items() if why is not None}


def test_nothing_is_stale_after_everything_was_made(made):
    assert reasons(made) == {}


def test_nothing_was_made(project):
    graph = load_graph()
    found = reasons(graph)
    assert found.keys() == graph.results.keys()
    assert found[Result("prepare", conftest.TRAIN)] == "not made yet"


def test_files_without_record(made):
    made[TRAIN].record.unlink()
    found = reasons(made)
    assert found[TRAIN] == "results/toy/runs/fcn_r50/seed0/model.pt has no record of what it was made from"
    assert found[EVALUATE] == "train fcn_r50 seed0 is made again"


def test_a_history_makes_nothing_stale(made):
    made[TRAIN].byproducts[0].write_text("other times")
    assert reasons(made) == {}


def test_a_changed_parameter_is_named_with_both_values(made):
    record = read(made.study, TRAIN)
    training = record.parameters["training"] | {"learning_rate": 0.5}
    rewrite(made, TRAIN, parameters=record.parameters | {"training": training})
    found = reasons(made)
    assert found.pop(TRAIN) == "training.learning_rate 0.5 -> 0.01"
    assert found.keys() == {EVALUATE, TABLE, Result("figure", "figure_2")}


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ({"fbnet/training/losses.py": "0"}, "fbnet/training/losses.py changed"),
        ({"fbnet/training/gone.py": "0"}, "fbnet/training/gone.py is gone"),
        ({"fbnet/training/losses.py": None}, "fbnet/training/losses.py is new"),
    ],
)
def test_changed_sources(made, sources, reason):
    recorded = read(made.study, TRAIN).sources | sources
    rewrite(made, TRAIN, sources={name: value for name, value in recorded.items() if value is not None})
    assert reasons(made)[TRAIN] == reason


def test_other_inputs(made):
    inputs = read(made.study, EVALUATE).inputs
    rewrite(made, EVALUATE, inputs=inputs | {"train fcn_r50 seed0": "0", "prepare other": "0"})
    found = stale(made)[EVALUATE]
    assert found.changed == ("made from another train fcn_r50 seed0", "no longer made from prepare other")


def test_a_long_reason_is_cut():
    assert str(Stale(("a", "b"), ("train x", "train y"))) == "a, b, train x is made again and 1 more"


def test_restamp_accepts_changes_of_the_named_kinds(made, project):
    for result in (TRAIN, EVALUATE):
        rewrite(made, result, sources=read(made.study, result).sources | {"fbnet/models/build.py": "0"})
    assert restamp(made, "a remark", ["train"]) == [(TRAIN, ["fbnet/models/build.py changed"])]
    (accepted,) = read(made.study, TRAIN).accepted
    assert (accepted.because, accepted.changes) == ("a remark", ("fbnet/models/build.py changed",))
    assert EVALUATE in reasons(made)
    restamp(made, "a remark")
    assert reasons(made) == {}


def test_made_again_it_is_up_to_date(made):
    rewrite(made, TRAIN, sources={})
    make_all(made)
    assert reasons(made) == {}
