"""Precision of a study's jobs: of its records, of a note, or of the machine; refused on machines that cannot."""

import json
import multiprocessing

import pytest

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.provenance.graph import build_graph, of_run
from fbnet.provenance.precision import agree, is_open, job_precision
from fbnet.provenance.recording import recording
from fbnet.provenance.staleness import stale
from fbnet.runtime import instructions
from tests.provenance.conftest import make_all

RUNS = ["fcn_r50", "fcn_r50_fbnet"]
OPEN = {"training__precision": "auto", "evaluation__precision": "auto", "runs": RUNS, "seeds": [0], "figures": []}
NEW_CPU, OLD_CPU = "flags : avx2 avx512f avx512_bf16\n", "flags : avx2\n"


@pytest.fixture
def cpu(tmp_path, monkeypatch):
    """Function that gives this machine another CPU."""
    file = tmp_path / "cpuinfo"
    monkeypatch.delenv(instructions.LIMIT, raising=False)
    monkeypatch.setattr(instructions, "CPU_INFO", file)
    file.write_text(NEW_CPU)
    return file.write_text


@pytest.fixture
def study(project):
    project.write_study(**OPEN, tables=["table_1"])
    return load_study("toy")


def record(study, kind, run, precision):
    """Record a result that was computed in this precision; its inputs count as made."""
    graph = build_graph(study)
    result = of_run(kind, run, 0)
    for path in (*graph[result].identity, *graph[result].byproducts):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("result")
    with recording(graph, result) as made:
        made.precision = precision


def never():
    raise AssertionError("the machine is asked")


def asked(choices):
    """Function that returns the next of these choices."""
    waiting = iter(choices)
    return lambda: next(waiting)


def test_the_first_choice_is_noted_for_all(study):
    assert agree(study, asked(["bfloat16"])).precision == "bfloat16"
    agreed = agree(study, never)
    assert (agreed.precision, agreed.file) == ("bfloat16", paths.precision_note("toy"))


def test_records_come_before_the_note(study):
    agree(study, asked(["bfloat16"]))
    record(study, "train", "fcn_r50_fbnet", "float32")
    agreed = agree(study, never)
    assert agreed.precision == "float32"
    assert agreed.file == paths.provenance_file("toy", "train", "fcn_r50_fbnet/seed0")


def test_a_clone_has_records_alone(study):
    record(study, "evaluate", "fcn_r50", "bfloat16")
    assert not paths.WORK.exists()
    assert agree(study, never).precision == "bfloat16"


def test_records_without_a_precision_say_nothing(made, project):
    project.write_study(**OPEN, tables=["table_1"])
    study = load_study("toy")
    assert agree(study, asked(["float32"])).file == paths.precision_note("toy")


def test_a_damaged_record_says_nothing(study):
    record(study, "train", "fcn_r50", "bfloat16")
    paths.provenance_file("toy", "train", "fcn_r50/seed0").write_text("{")
    assert agree(study, asked(["float32"])).precision == "float32"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"precision": "float8"}'])
def test_a_damaged_note_is_written_anew(study, damage):
    note = paths.precision_note("toy")
    note.parent.mkdir(parents=True)
    note.write_text(damage)
    assert agree(study, asked(["float32"])).precision == "float32"
    assert json.loads(note.read_text())["precision"] == "float32"


def test_a_note_that_cannot_be_kept(study):
    paths.WORK.write_text("a file")
    assert agree(study, asked(["bfloat16"])).precision == "bfloat16"


def _agree_late(choice, barrier, found):
    barrier.wait()
    found.put(agree(load_study("toy"), lambda: choice).precision)


def test_processes_that_begin_together_agree(study):
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(8), context.Queue()
    choices = ["float32", "bfloat16"] * 4
    processes = [context.Process(target=_agree_late, args=(choice, barrier, found)) for choice in choices]
    for process in processes:
        process.start()
    assert len({found.get(timeout=60) for _ in processes}) == 1
    for process in processes:
        process.join()


class TestJob:
    def test_the_best_of_the_first_machine(self, study, cpu):
        assert job_precision(study, "training", "auto", "cpu") == "bfloat16"

    def test_goes_on_in_float32_on_a_machine_that_could_do_better(self, study, cpu):
        cpu(OLD_CPU)
        assert job_precision(study, "training", "auto", "cpu") == "float32"
        cpu(NEW_CPU)
        assert job_precision(study, "evaluation", "auto", "cpu") == "float32"

    def test_is_refused_on_a_machine_that_cannot(self, study, cpu):
        record(study, "train", "fcn_r50", job_precision(study, "training", "auto", "cpu"))
        cpu(OLD_CPU)
        with pytest.raises(InputError) as refused:
            job_precision(study, "training", "auto", "cpu")
        assert str(refused.value).startswith("results/toy/provenance/train/fcn_r50/seed0.json: ")
        assert "training.precision in params/studies/toy.yaml" in str(refused.value)

    def test_a_precision_that_the_study_names_is_refused_there_too(self, study, cpu):
        cpu(OLD_CPU)
        with pytest.raises(InputError, match=r"^params/studies/toy\.yaml: study toy computes in bfloat16"):
            job_precision(study, "evaluation", "bfloat16", "cpu")
        assert job_precision(study, "evaluation", "float32", "cpu") == "float32"
        assert not paths.precision_note("toy").exists()

    def test_records_of_what_the_study_names_do_not_decide_what_it_leaves_open(self, project, cpu):
        project.write_study(**OPEN | {"evaluation__precision": "float32"}, tables=["table_1"])
        study = load_study("toy")
        record(study, "evaluate", "fcn_r50", "float32")
        assert job_precision(study, "training", "auto", "cpu") == "bfloat16"


def test_computing_jobs_of_open_parts_alone(project):
    project.write_study(**OPEN | {"evaluation__precision": "float32"}, tables=["table_1"])
    study = load_study("toy")
    kinds = ("prepare", "centroids", "train", "evaluate", "evaluate_multi_scale", "export", "table", "figure")
    assert [kind for kind in kinds if is_open(study, kind)] == ["train"]


def test_results_hold_whatever_the_machine(study, cpu):
    """The choice is no parameter: another kind of machine makes nothing again."""
    make_all(build_graph(study))
    cpu(OLD_CPU)
    assert set(stale(build_graph(study)).values()) == {None}
