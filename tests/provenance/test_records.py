"""Records: what is written down, and that those in the repository still fit the code that reads them."""

import json

import pytest

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.provenance.graph import Result, build_graph, of_run
from fbnet.provenance.recording import recording
from fbnet.provenance.records import digest, fingerprint, read
from tests import conftest
from tests.conftest import ROOT
from tests.provenance.conftest import load_graph

TRAIN = of_run("train", "fcn_r50", 0)
PREPARE = Result("prepare", conftest.TRAIN)


def test_a_record_names_everything(made):
    record = read(made.study, TRAIN)
    assert record.parameters["training"]["learning_rate"] == 0.01
    assert record.inputs == {str(PREPARE): read(made.study, PREPARE).digest}
    assert list(record.outputs) == ["results/toy/runs/fcn_r50/seed0/model.pt"]
    assert record.digest == digest(record.outputs)
    assert "fbnet/training/losses.py" in record.sources
    assert record.environment["device"] == "cpu"


def test_an_edit_meanwhile_is_not_recorded(made):
    table = Result("table", "table_1")
    reported = paths.reported_file("table_1")
    before = read(made.study, table).files[str(reported)]
    with recording(made, table):
        reported.write_text(reported.read_text() + "\n")
    assert read(made.study, table).files[str(reported)] == before


def test_nothing_is_recorded_of_a_failed_job(project):
    graph = load_graph()
    with pytest.raises(InputError), recording(graph, TRAIN):
        raise InputError("no such data")
    assert read(graph.study, TRAIN) is None


def test_a_fingerprint_follows_parameters_and_inputs(made, project):
    before = fingerprint(made, TRAIN)
    assert fingerprint(load_graph(), TRAIN) == before
    prepare = made[PREPARE]
    content = json.loads(prepare.record.read_text())
    prepare.record.write_text(json.dumps(content | {"digest": "another"}))
    assert fingerprint(made, TRAIN) != before
    prepare.record.write_text(json.dumps(content))
    project.write_study(training__learning_rate=0.02)
    assert fingerprint(load_graph(), TRAIN) != before


def test_a_record_of_another_result_is_refused(made):
    made[TRAIN].record.write_bytes(made[of_run("train", "fcn_r50_fbnet", 0)].record.read_bytes())
    with pytest.raises(InputError, match=r"seed0\.json: record of another result or format; delete it"):
        read(made.study, TRAIN)


def test_the_shipped_records_still_fit(monkeypatch):
    monkeypatch.chdir(ROOT)
    graph = build_graph(load_study("camvid_pretrained"))
    for result, node in graph.results.items():
        record = read(graph.study, result)
        assert list(record.outputs) == [path.as_posix() for path in node.identity]
        assert record.digest == digest(record.outputs)
        assert record.inputs == {str(entry): read(graph.study, entry).digest for entry in node.results}
