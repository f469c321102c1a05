"""Measurements are compared with the metrics beside them."""

import numpy as np
import pytest

from fbnet.audit import checks
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_study
from fbnet.provenance.graph import build_graph
from tests.made_up_results import write_metrics
from tests.report.measured import BANDS, RUN, measured_study, write


@pytest.fixture
def study(project):
    return measured_study()


def check(study):
    results = build_graph(study).needed()
    (found,) = checks.measurements(study, results)
    return found


def write_scores(study, run, seed, pixels):
    matrix = pixels * np.eye(len(CITYSCAPES.classes), dtype=int)
    write_metrics(study, run, seed, matrix=matrix.tolist())


def test_those_of_one_network_agree(study):
    write(study, RUN, 0)
    write_scores(study, RUN, 0, BANDS)
    found = check(study)
    assert (found.checked, found.not_here, found.failures) == (1, 5, ())


def test_those_of_another_network_are_named(study):
    path = write(study, RUN, 0)
    write_scores(study, RUN, 0, BANDS + 1)
    assert [failure.location for failure in check(study).failures] == [str(path)]


def test_damaged_ones_are_named(study):
    path = write(study, RUN, 0, areas=[1])
    assert [failure.location for failure in check(study).failures] == [str(path)]


def test_a_study_without_them_has_no_such_check(project):
    demo = load_study("demo")
    assert checks.measurements(demo, build_graph(demo).needed()) == []
