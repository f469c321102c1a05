"""A clock that is wrong, or is set right meanwhile: what was finished is neither made again nor thrown away."""

import os
import time
from pathlib import Path

import pytest

from fbnet.io.files import set_back

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
YEAR = 365 * 24 * 3600


def move(folder: Path, seconds: float, *names: str) -> None:
    """Gives all files of these folders a time so far from now."""
    moment = time.time() + seconds
    for name in names:
        for path in (folder / name).rglob("*"):
            os.utime(path, (moment, moment))


@pytest.mark.parametrize("seconds", [YEAR, -YEAR])
def test_nothing_is_made_again(made, seconds):
    move(made.folder, seconds, "results")
    assert made.planned() == set()
    move(made.folder, seconds, "data", "params", "logs")
    assert made.planned() == set()


def test_what_is_stale_is_made_again_whenever_it_was_made(made):
    move(made.folder, YEAR, "results", "data", "logs")
    made.change("params/runs.yaml", tables__table_1__note="Another note.")
    assert made.planned() == {"table table_1"}


@pytest.mark.parametrize("during", [False, True], ids=["before", "during"])
def test_set_right_before_or_during_a_training(begun, undisturbed, during):
    """Its data are then from the future, and Snakemake throws away what it makes from such."""
    if not during:
        move(begun.folder, YEAR, "data")
    snakemake, _ = begun.start_training()
    if during:
        move(begun.folder, YEAR, "data")
    (marker,) = (begun.folder / "work/stale").iterdir()
    assert marker.stat().st_mtime == 1  # one second newer than the results that it replaces, none: not of this clock
    assert snakemake.wait() == 0, begun.said.read_text()
    assert begun.results() == undisturbed.results()
    assert begun.planned() == set()


def test_set_back(tmp_path):
    future, past, missing = (tmp_path / name for name in ("future", "past", "missing"))
    for path, seconds in ((future, YEAR), (past, -YEAR)):
        path.touch()
        os.utime(path, (time.time() + seconds,) * 2)
    kept = past.stat().st_mtime
    set_back([future, past, missing])
    assert abs(future.stat().st_mtime - time.time()) < 60
    assert past.stat().st_mtime == kept
    assert not missing.exists()
