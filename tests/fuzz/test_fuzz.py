"""The short form: the same few inputs each time, each of them accepted or refused in one line."""

import os

import pytest

from tests.fuzz.kinds import make_kinds, make_project
from tests.fuzz.trial import Outcome, try_inputs

INPUTS = {"checkpoint": 12, "initial weights": 12, "provenance": 15, "history": 15, "runs.yaml": 25, "study": 25}
OTHERS = 40
KINDS = (
    "label map", "label map, RGB", "image, PNG", "image, JPEG", "image, WebP", "runs.yaml", "study", "data set",
    "list of a split", "hardware.yaml", "benchmark",
    "manifest", "packed array", "centroids", "times of raw files", "Mapillary's config", "checkpoint",
    "initial weights", "record of weights", "metrics", "samples", "provenance", "history", "reported numbers",
    "server's scores", "zip for the server",
)  # fmt: skip
FORGIVEN = ("times of raw files",)
"""Caches: if one is damaged, the files themselves are read."""
SECONDS = 10
"""For one input, on a machine that does much else; they take milliseconds."""


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The kinds by their names, in a project of their own."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("fuzz"))
    make_project()
    yield {kind.name: kind for kind in make_kinds()}
    os.chdir(before)


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_read_or_refused(kinds, name):
    kind, outcome = kinds[name], Outcome()
    kind.read()  # the file as it is made
    try_inputs(kind, outcome, inputs=INPUTS.get(name, OTHERS))
    assert not outcome.others
    assert bool(outcome.refused) == (name not in FORGIVEN)
    assert outcome.slowest < SECONDS


def test_all_kinds_are_tried(kinds):
    assert tuple(kinds) == KINDS
