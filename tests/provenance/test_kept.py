"""Second names of a result's files, on the files of a table."""

import os
from pathlib import Path

import pytest

from fbnet.provenance import kept
from fbnet.provenance.graph import Node

TABLE, RECORD = Path("table.csv"), Path("table.json")
NODE = Node(parameters={}, identity=(TABLE,), byproducts=(Path("history.csv"),), record=RECORD)
EARLIER = {"table.csv": "earlier", "table.json": "earlier"}


@pytest.fixture(autouse=True)
def earlier(tmp_path, monkeypatch):
    """A result that is kept; one of its files is missing."""
    monkeypatch.chdir(tmp_path)
    TABLE.write_text("earlier")
    RECORD.write_text("earlier")
    kept.keep(NODE)


def replace(path: Path) -> None:
    """Write a file as jobs do."""
    part = Path("part")
    part.write_text("later")
    part.replace(path)


def found() -> dict[str, str]:
    return {path.name: path.read_text() for path in Path().iterdir()}


def test_deleted_and_linked_back():
    TABLE.unlink()
    RECORD.unlink()
    kept.link_back(NODE)
    assert found().items() >= EARLIER.items()
    kept.settle(NODE)
    assert found() == EARLIER


@pytest.mark.parametrize("deleted", [(), (TABLE,), (RECORD,), (TABLE, RECORD)])
def test_without_a_successor_it_is_put_back(deleted):
    for path in deleted:
        path.unlink()
    kept.settle(NODE)
    assert found() == EARLIER


def test_a_successor_that_has_no_record_yet_does_not_count():
    replace(TABLE)
    kept.settle(NODE)
    assert found() == EARLIER


def test_a_successor_stays():
    replace(TABLE)
    replace(RECORD)
    kept.link_back(NODE)
    kept.settle(NODE)
    assert found() == {"table.csv": "later", "table.json": "later"}


def test_kept_again_after_a_crash():
    replace(TABLE)
    replace(RECORD)
    kept.keep(NODE)
    TABLE.unlink()
    kept.settle(NODE)
    assert found() == {"table.csv": "later", "table.json": "later"}


def test_without_a_record_nothing_is_kept():
    kept.settle(NODE)
    RECORD.unlink()
    kept.keep(NODE)
    assert found() == {"table.csv": "earlier"}


def test_without_hard_links_nothing_is_kept(monkeypatch):
    def refuse(*arguments, **keywords):
        raise PermissionError

    kept.settle(NODE)
    monkeypatch.setattr(os, "link", refuse)
    kept.keep(NODE)
    assert found() == EARLIER
    kept.settle(NODE)
    assert found() == EARLIER
