"""Two snakemakes in one folder, and what one that was killed left locked."""

import fcntl
import platform

import pytest

from fbnet.runtime import snakemake_lock
from tests.faults.conftest import KILLED

pytestmark = pytest.mark.workflow
AT_WORK = (
    "fbnet: another snakemake is at work in this folder; if this one cannot lock it, wait for the other to end and run "
    "the same command again, without --unlock\n"
)


@pytest.mark.slow
def test_a_second_snakemake_is_refused(begun):
    first, trainer = begun.start_training()
    trainer.suspend()  # it must not be done before the second one is
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


@pytest.mark.slow
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
        """A folder that a Snakemake of this host left locked."""
        (tmp_path / "locks").mkdir()
        (tmp_path / "locks/0.input.lock").write_text("a\n")
        (tmp_path / "alive").write_text(platform.node())
        return tmp_path

    def test_the_first_removes_locks(self, folder, caplog):
        with snakemake_lock.enter(folder):
            assert list((folder / "locks").iterdir()) == []
        assert [f"fbnet: {message}" for message in caplog.messages] == [KILLED]

    def test_beside_another_they_stay(self, folder, caplog):
        with snakemake_lock.enter(folder), snakemake_lock.enter(folder) as second:
            (folder / "locks/0.input.lock").write_text("a\n")
            with snakemake_lock.enter(folder):
                assert len(list((folder / "locks").iterdir())) == 1
            assert second is not None
        assert [f"fbnet: {message}\n" for message in caplog.messages] == [f"{KILLED}\n", AT_WORK, AT_WORK]

    @pytest.mark.parametrize(("last", "named"), [("node7", "node7"), ("", "an unknown host")])
    def test_those_of_another_host_stay(self, folder, caplog, last, named):
        """A shared file system may hide that their Snakemake is alive; that host owns them until they are gone."""
        (folder / "alive").write_text(last)
        for _ in range(2):
            with snakemake_lock.enter(folder):
                assert len(list((folder / "locks").iterdir())) == 1
        problem = f"the last snakemake ran on {named}, and its locks stay; let it end, or run snakemake --unlock if it"
        assert len(caplog.messages) == 2
        assert all(message.startswith(f"{folder}/alive: {problem}") for message in caplog.messages)

    def test_without_locks_another_host_does_not_matter(self, folder, caplog):
        (folder / "locks/0.input.lock").unlink()
        (folder / "alive").write_text("node7")
        with snakemake_lock.enter(folder):
            assert (folder / "alive").read_text() == platform.node()
        assert caplog.messages == []

    def test_without_flock_they_stay(self, folder, monkeypatch, caplog):
        def refused(file, how):
            raise OSError("no locks on this file system")

        monkeypatch.setattr(fcntl, "flock", refused)
        assert snakemake_lock.enter(folder) is None
        assert len(list((folder / "locks").iterdir())) == 1
        assert caplog.messages == []
