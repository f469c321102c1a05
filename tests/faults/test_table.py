"""The table of docs/reliability.md against the tests that it names."""

import ast
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

FAULTS = Path("tests/faults")
COLUMNS = ["Fault", "How the test causes it", "What the user sees", "What remains, and what to type next", "Test"]


def table() -> list[list[str]]:
    """The cells of its rows, the heading first."""
    lines = (ROOT / "docs/reliability.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [rows[0], *rows[2:]]


def defined_in(module: Path) -> set[str]:
    """The tests of a module, as pytest calls them: `name` or `Class::name`."""
    found = set()
    for node in ast.parse((ROOT / module).read_text()).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


def named() -> list[str]:
    return [row[-1].strip("`") for row in table()[1:]]


def test_every_row_is_whole():
    heading, *rows = table()
    assert heading == COLUMNS
    assert all(len(row) == len(COLUMNS) and all(row) for row in rows)


@pytest.mark.parametrize("test", named())
def test_every_row_has_its_test(test):
    assert re.fullmatch(r"tests/[\w/]+\.py::[\w:]+", test)
    module, _, name = test.partition("::")
    assert name in defined_in(Path(module))


def test_every_module_of_faults_is_in_it():
    modules = {f"{FAULTS}/{path.name}" for path in (ROOT / FAULTS).glob("test_*.py")}
    assert modules - {test.partition("::")[0] for test in named()} == {f"{FAULTS}/{Path(__file__).name}"}
