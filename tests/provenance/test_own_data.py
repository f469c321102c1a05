"""A description matters to a stage only as far as the stage depends on it."""

from pathlib import Path

import pytest

from fbnet.config.load import load_study
from fbnet.provenance.graph import build_graph
from fbnet.provenance.records import present
from fbnet.provenance.sources import source_files
from tests.own_data import STREETS, describe

DATA = {"dataset": "streets", "train": "train", "evaluate": "val"}
ALL = {"prepare", "train", "evaluate", "table", "figure"}


def classes(**changes):
    return {name: entry | changes.get(name, {}) for name, entry in STREETS["classes"].items()}


def recorded():
    """Everything but inputs in the record of each result."""
    return {str(result): present(result, node) for result, node in build_graph(load_study("toy")).results.items()}


@pytest.fixture
def study(project):
    describe(Path())
    project.write_study(
        data={"cityscapes": DATA},
        runs=["fcn_r50", "fcn_r50_fbnet"],
        tables=["table_1"],
        figures=["figure_1"],
        figure_runs={"baseline": "fcn_r50", "fbnet": "fcn_r50_fbnet"},
        seeds=[0],
    )


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"description": "others"}, set()),
        ({"root_variable": "OTHER_ROOT"}, set()),
        ({"tile": 8}, set()),
        ({"classes": classes(road={"colour": [1, 1, 1]})}, {"figure"}),
        ({"classes": classes(road={"rgb": [[128, 64, 128], [1, 1, 1]]})}, {"prepare"}),
        ({"ignore": {"rgb": [[0, 0, 0]]}}, {"prepare"}),
        ({"names": {"label": r"(.+)_L\.png"}}, {"prepare"}),
        ({"names": {"prediction": r"(.+)_L\.png"}}, set()),
        ({"splits": STREETS["splits"] | {"test": STREETS["splits"]["val"]}}, set()),
        ({"splits": STREETS["splits"] | {"val": STREETS["splits"]["train"]}}, {"prepare"}),
        ({"foreground": ["rider"]}, {"train", "evaluate", "table", "figure"}),
        ({"classes": dict(reversed(classes().items()))}, ALL),
    ],
)
def test_an_edit_changes_what_depends_on_it(study, changes, kinds):
    before = recorded()
    describe(Path(), **changes)
    after = recorded()
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert {name.partition(" ")[0] for name in changed} == kinds
    if "foreground" in changes:
        assert "train fcn_r50 seed0" not in changed  # which has no block-wise loss


def test_other_data_sets_are_not_in_the_records(study):
    before = recorded()
    describe(Path(), "other", classes=classes(road={"colour": [1, 1, 1]}))
    assert recorded() == before
    assert not any("other" in str(record) for record in before.values())


def test_the_reader_is_a_source():
    readers = {path.name for path in source_files("prepare", ("camvid",)) if path.parent.name == "readers"}
    assert readers == {"described.py", "pairs.py"}


def test_so_it_is_for_own_data(study):
    for name, record in recorded().items():
        assert ("fbnet/data/readers/described.py" in record["sources"]) == name.startswith("prepare")
        assert not any(source.startswith("fbnet/config/dataset_files") for source in record["sources"])


def test_a_list_in_the_repository_is_an_input(study):
    listed = STREETS["splits"]["train"] | {"list": "params/datasets/streets/train.txt"}
    describe(Path(), splits=STREETS["splits"] | {"train": listed})
    Path("params/datasets/streets").mkdir()
    Path(listed["list"]).write_text("a\n")
    before = recorded()
    Path(listed["list"]).write_text("b\n")
    assert [name for name, record in recorded().items() if record != before[name]] == ["prepare streets train-7d92ead8"]
