"""A training that starts from another one, with everything killed again and again."""

import os
import random
import shutil
import signal
import time

import pytest

from tests.conftest import EVERYTHING, TOY
from tests.faults.conftest import KILLED, Disturbed, make_disturbed, wait_until

PARENT, CHILD = "deeplabv3plus_wrn38_mapillary", "deeplabv3plus_wrn38_fbnet"
STUDY = (
    TOY
    | EVERYTHING
    | {
        "training": TOY["training"] | {"epochs": 30},
        "seeds": [0],
        "runs": [CHILD],
        "tables": ["table_5"],
        "figures": [],
    }
)


def newest_state(clone: Disturbed) -> tuple[int, ...]:
    """When each training kept its state last."""
    return tuple(path.stat().st_mtime_ns for path in sorted((clone.folder / "work/states").rglob("state.pt")))


@pytest.mark.slow
@pytest.mark.workflow
def test_killed_at_six_random_moments_it_ends_with_the_same_bytes(tmp_path):
    """SIGKILL of snakemake and all its jobs; the moments are drawn anew in every run of the test."""
    undisturbed = make_disturbed(tmp_path / "undisturbed", STUDY)
    shutil.copytree(undisturbed.folder, tmp_path / "project")
    undisturbed.snakemake()
    disturbed = Disturbed(tmp_path / "project")
    for kill in range(6):
        before = newest_state(disturbed)
        process = disturbed.start()
        if kill % 3:
            wait_until(lambda before=before: newest_state(disturbed) != before)
            time.sleep(random.uniform(0, 1))
        else:
            time.sleep(random.uniform(0, 6))  # while it plans, prepares or loads
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    result = disturbed.snakemake()
    assert KILLED in result.stderr
    assert disturbed.results() == undisturbed.results()
    for run in (PARENT, CHILD):
        assert f"results/toy/runs/{run}/seed0/model.pt" in disturbed.results()
    assert not list((disturbed.folder / "work/states").rglob("*.pt"))
    assert disturbed.planned() == set()
