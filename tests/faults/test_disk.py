"""A disk that is full, or that may only be read: said in a line that names the file, and what was there stays."""

import subprocess

import pytest

from tests.faults.conftest import OTHER, RUN, forget

pytestmark = pytest.mark.workflow
OF_RUN = f"results/toy/runs/{RUN}/seed0"
WHICH = ("--study", "toy", "--run", RUN, "--device", "cpu")
SEE = "see to the path, its permissions and the disk"
CANNOT = "fbnet: results: cannot be written; see to its permissions and the disk\n"
FULL = f"No space left on device; {SEE}"


def line(result: subprocess.CompletedProcess) -> str:
    """Last line of a refused command."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "room", "file"),
    [
        (("table", "--study", "toy", "table_1"), 0, "results/toy/tables/table_1.csv"),
        (("train", *WHICH), 100_000, f"{OF_RUN}/model.pt"),
        (("evaluate", *WHICH), 20_000, f"{OF_RUN}/samples.npz"),
    ],
    ids=["table", "checkpoint", "samples"],
)
@pytest.mark.slow
def test_full_while_a_file_is_written(made, disk, command, room, file):
    before = made.results()
    disk.fill(room)
    assert line(made.run("fbnet", *command, check=False)) == f"fbnet: {file}: {FULL}"
    assert made.results() == before
    assert not list(disk.folder.rglob("*.part"))
    assert made.planned() == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("jobs", "room", "file"),
    [
        ([("train", RUN), ("evaluate", RUN), ("evaluate", OTHER)], 100_000, "model.pt"),
        ([("evaluate", RUN)], 51_000, "metrics.json"),
    ],
    ids=["checkpoint", "metrics"],
)
def test_full_while_snakemake_is_at_work(made, undisturbed, disk, jobs, room, file):
    """After room was made the same command makes what is missing, and nothing else."""
    forget(made, *jobs)
    finished = made.stamps()
    disk.fill(room)
    result = made.snakemake(check=False)
    assert result.returncode == 1
    assert f"fbnet: {OF_RUN}/{file}: {FULL}\n" in result.stderr
    assert finished.items() <= made.stamps().items()
    assert not (made.folder / OF_RUN / file).exists()
    assert not list(disk.folder.rglob("*.part"))

    (disk.folder / "filler").unlink()
    made.snakemake()
    assert finished.items() <= made.stamps().items()
    assert made.results() == undisturbed.results()
    if ("train", RUN) in jobs:
        assert "resuming from iteration 30 of 30" in made.log()


@pytest.mark.slow
def test_read_only_before_a_stale_result_is_made_again(made, disk):
    """Snakemake looks before it starts anything."""
    before = made.stamps()
    made.change("params/studies/toy.yaml", training__learning_rate=0.02)
    disk.change("ro")
    result = made.snakemake(check=False)
    assert result.returncode == 1
    assert CANNOT in result.stderr
    assert "Write-protected output files for rule" in result.stderr
    assert made.stamps() == before
    made.git("checkout", "params")
    assert made.planned() == set()


@pytest.mark.slow
def test_read_only_before_a_new_result_is_made(made, undisturbed, disk):
    forget(made, ("evaluate", RUN))
    before = made.stamps()
    disk.change("ro")
    result = made.snakemake(check=False)
    assert result.returncode == 1
    assert CANNOT in result.stderr
    assert made.stamps() == before

    disk.change("rw")
    made.snakemake()
    assert before.items() <= made.stamps().items()
    assert made.results() == undisturbed.results()


@pytest.mark.slow
def test_read_only_when_a_training_is_done(made, undisturbed, disk):
    """Its state is elsewhere: nothing is computed again."""
    before = made.stamps()
    disk.change("ro")
    said = line(made.run("fbnet", "train", *WHICH, check=False))
    assert said == f"fbnet: {OF_RUN}/history.csv: Read-only file system; {SEE}"
    assert made.stamps() == before

    disk.change("rw")
    result = made.run("fbnet", "train", *WHICH)
    assert "resuming from iteration 30 of 30" in result.stderr
    assert made.results() == undisturbed.results()
    assert made.planned() == set()
