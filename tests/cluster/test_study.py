"""A study through Slurm gives the bytes of a local one, whatever happens to its jobs."""

import pytest

from tests.faults.conftest import RUN

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
GOES_ON = f"{RUN} seed 0: resuming from iteration"
MODEL = f"results/toy/runs/{RUN}/seed0/model.pt"


def test_time_limits(begun, reference):
    """What Slurm sends before a time limit: the same job goes back into the queue, and no retry is used up."""
    snakemake = begun.submit("--retries", "0")
    for number in range(2):
        (job,) = begun.jobs()
        begun.kit.run("scancel", "--signal=TERM", job)
        begun.wait_for_log(f"job {job} goes back into the queue")
        begun.wait_for_state(snakemake)
    assert snakemake.wait(timeout=120) == 0, begun.said.read_text()
    assert list(begun.jobs()) == [job]
    assert GOES_ON in begun.log()
    assert begun.results() == reference.results()
    assert "Nothing to be done" in begun.snakemake().stderr
