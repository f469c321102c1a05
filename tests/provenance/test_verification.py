"""Verification of what a job reads."""

import hashlib
import json
import multiprocessing
import os

import pytest

from fbnet import paths
from fbnet.errors import InputError
from fbnet.provenance import verification
from fbnet.provenance.graph import Result, of_run
from fbnet.provenance.recording import recording
from fbnet.provenance.records import read
from fbnet.provenance.verification import known_sha256, verified_digests
from tests.conftest import VAL

TRAIN = of_run("train", "fcn_r50", 0)
EVALUATE = of_run("evaluate", "fcn_r50", 0)
PREPARE = Result("prepare", VAL)


def evaluate(graph):
    """Record an evaluation that leaves its files as they are."""
    with recording(graph, EVALUATE):
        pass


def test_digests_are_those_of_the_records(made):
    expected = {str(entry): read(made.study, entry).digest for entry in (TRAIN, PREPARE)}
    assert verified_digests(made, made[EVALUATE]) == expected


def test_another_checkpoint_is_refused(made):
    before = made[EVALUATE].record.read_bytes()
    path = paths.checkpoint_file("toy", "fcn_r50", 0)
    path.write_text("the weights of another version")
    with pytest.raises(InputError, match=r"model\.pt: is not the file that its record names; `dvc checkout` it"):
        evaluate(made)
    assert made[EVALUATE].record.read_bytes() == before


def test_a_checkpoint_of_the_same_size_and_time_is_refused(made):
    path = paths.checkpoint_file("toy", "fcn_r50", 0)
    stat, text = path.stat(), path.read_text()
    path.write_text(text[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(InputError, match="is not the file"):
        evaluate(made)


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_another_array_is_refused_every_time(made, kind):
    path = next(path for path in made[PREPARE].byproducts if kind in path.name)
    evaluate(made)
    path.write_text(path.read_text()[::-1])
    for _ in range(2):
        with pytest.raises(InputError, match=rf"{path.name}: is not the file that its record names"):
            evaluate(made)


def test_a_manifest_of_other_data_is_refused(made):
    path = made[PREPARE].identity[0]
    path.write_text(path.read_text() + " ")
    with pytest.raises(InputError, match=r"manifest\.json: is not the file that its record names"):
        evaluate(made)


def test_files_that_are_not_here_are_left_to_their_readers(made):
    paths.samples_file("toy", "fcn_r50", 0).unlink()
    table = Result("table", "table_1")
    assert verified_digests(made, made[table])[str(EVALUATE)] == read(made.study, EVALUATE).digest


def test_a_record_whose_digest_is_not_that_of_its_files_is_refused(made):
    path = made[TRAIN].record
    path.write_text(json.dumps(json.loads(path.read_text()) | {"digest": "0" * 64}))
    with pytest.raises(InputError, match=r"seed0\.json: its digest is not that of its files"):
        evaluate(made)


class TestKnownSha256:
    @pytest.fixture
    def file(self, project, tmp_path):
        path = tmp_path / "large.npy"
        path.write_bytes(b"content")
        return path

    @pytest.fixture
    def hashed(self, monkeypatch):
        """The files that are read in full, in order."""
        found, sha256 = [], verification.sha256
        monkeypatch.setattr(verification, "sha256", lambda path: found.append(path) or sha256(path))
        return found

    def test_a_file_is_read_once(self, file, hashed):
        expected = hashlib.sha256(b"content").hexdigest()
        assert [known_sha256(file) for _ in range(3)] == [expected] * 3
        assert hashed == [file]

    def test_a_changed_file_is_read_again_whatever_its_size_and_time(self, file, hashed):
        stat = file.stat()
        known_sha256(file)
        file.write_bytes(b"CONTENT")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert known_sha256(file) == hashlib.sha256(b"CONTENT").hexdigest()
        assert hashed == [file] * 2

    def test_a_damaged_note_is_not_believed(self, file, hashed):
        known_sha256(file)
        (note,) = (paths.WORK / "verified").rglob("*.json")
        for text in ("", "[]", "{", note.read_text().replace('"identity"', '"other"')):
            note.write_text(text)
            assert known_sha256(file) == hashlib.sha256(b"content").hexdigest()
        assert len(hashed) == 5

    def test_without_a_place_for_notes(self, file, hashed):
        paths.WORK.write_text("no folder")
        assert [known_sha256(file) for _ in range(2)] == [hashlib.sha256(b"content").hexdigest()] * 2
        assert hashed == [file] * 2

    def test_processes_that_start_together_read_a_file_once(self, project, tmp_path):
        file = tmp_path / "large.npy"
        file.write_bytes(os.urandom(64 << 20))
        reads = tmp_path / "reads"
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=_count_reads, args=(file, reads)) for _ in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 4
        assert reads.read_text() == "x"


def _count_reads(file, reads):
    """Hash a file, leaving a mark if it was read in full."""
    sha256 = verification.sha256

    def counted(path):
        with reads.open("a") as marks:
            marks.write("x")
        return sha256(path)

    verification.sha256 = counted
    assert known_sha256(file) == sha256(file)
