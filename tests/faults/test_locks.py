"""Two snakemakes in one folder, and what one that was killed left locked."""

import fcntl

import pytest

from fbnet.runtime import snakemake_lock as alone
from tests.faults.conftest import KILLED

pytestmark = pytest.mark.workflow
AT_WORK = (
    "fbnet: another snakemake is at work in this folder; if this one cannot lock it, wait for the other to end and run "
    "the same command again, without --unlock\n"
)


def test_a_second_snakemake_is_refused(begun):
    first, trainer = begun.start_training()
    locks = {path: path.read_bytes() for path in (begun.folder / ".snakemake/locks").iterdir()}
    second = begun.snakemake(check=False)
    assert second.returncode == 1
    assert AT_WORK in second.stderr
    assert second.stderr.index(AT_WORK) < second.stderr.index("Directory cannot be locked")
    assert locks
    assert {path: path.read_bytes() for path in locks} == locks
    assert first.poll() is None
    assert trainer.is_running()
    assert AT_WORK not in begun.snakemake("-n").stderr


def test_locks_of_a_killed_one_are_removed_once(made):
    lock = made.folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("results/toy/tables/table_1.csv\n")
    made.snakemake("-n")
    assert lock.exists()
    assert KILLED in made.snakemake().stderr
    assert not lock.exists()
    assert KILLED not in made.snakemake().stderr


class TestEnter:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "locks").mkdir()
        (tmp_path / "locks/0.input.lock").write_text("a\n")
        return tmp_path

    def test_the_first_removes_locks(self, folder, capsys):
        with alone.enter(folder):
            assert list((folder / "locks").iterdir()) == []
        assert capsys.readouterr().err == f"{KILLED}\n"

    def test_beside_another_they_stay(self, folder, capsys):
        with alone.enter(folder), alone.enter(folder) as second:
            (folder / "locks/0.input.lock").write_text("a\n")
            with alone.enter(folder):
                assert len(list((folder / "locks").iterdir())) == 1
            assert second is not None
        assert capsys.readouterr().err == f"{KILLED}\n{AT_WORK}{AT_WORK}"

    def test_without_flock_they_stay(self, folder, monkeypatch, capsys):
        def refused(file, how):
            raise OSError("no locks on this file system")

        monkeypatch.setattr(fcntl, "flock", refused)
        assert alone.enter(folder) is None
        assert len(list((folder / "locks").iterdir())) == 1
        assert capsys.readouterr().err == ""
