"""The chain of a study's cells where it is most involved: several scales, other runs' results, the test server."""

import numpy as np
import pytest

from fbnet import paths
from fbnet.audit import checks
from fbnet.audit.chain import make_chain
from fbnet.config.load import load_study
from fbnet.evaluation.metrics import scores
from fbnet.io.files import write_json
from fbnet.provenance.graph import build_graph, of_run


@pytest.fixture
def study(project):
    return load_study("paper")


@pytest.fixture
def table_5(study):
    return make_chain(study, build_graph(study).needed(), {}).tables["table_5"]


def test_at_several_scales(table_5):
    cell = table_5["deeplabv3plus_r101"]["miou"]
    assert cell.made_from == tuple(f"evaluate_multi_scale deeplabv3plus_r101 seed{seed}" for seed in (0, 1, 2))
    folder = "results/paper/runs/deeplabv3plus_r101"
    assert cell.read_from == tuple(f"{folder}/seed{seed}/metrics_multi_scale.json" for seed in (0, 1, 2))


def test_from_the_test_server(table_5):
    run = "deeplabv3plus_wrn38_fbnet_trainval"
    cell = table_5[run]["test_miou"]
    assert cell.read_from == ("params/reported/server_scores.csv",)
    assert cell.made_from == tuple(f"export {run} seed{seed}" for seed in (0, 1, 2))
    assert (table_5[run]["miou"].read_from, table_5[run]["miou"].made_from) == ((), ())


def test_mirrored_rates_must_follow_from_their_matrix(project):
    study = load_study("paper")
    path = paths.metrics_file("paper", "fcn_r101", 0)
    plain, mirrored = (scores(np.eye(19, dtype=np.int64), study.data.labels) for _ in range(2))
    write_json(path, {**plain, "mirrored": mirrored})
    results = {of_run("evaluate", "fcn_r101", 0): None}
    assert checks.metrics(study, results).failures == ()
    write_json(path, {**plain, "mirrored": {**mirrored, "miou": 0.5}})
    (failure,) = checks.metrics(study, results).failures
    assert failure.location == f"{path}: mirrored.miou"


def test_quoted_rows_are_not_ours(study, table_5):
    assert set(table_5) == set(study.table("table_5").rows) - set(study.quoted)


def test_needed_is_what_tables_and_figures_are_made_from(study):
    results = build_graph(study).needed()
    chain = [of_run("train", run, 0) for run in ("deeplabv3plus_wrn38_mapillary", "deeplabv3plus_wrn38_fbnet")]
    assert set(chain) <= results.keys()
    assert of_run("evaluate_multi_scale", "fcn_r50", 0) in build_graph(study).nodes
    assert of_run("evaluate_multi_scale", "fcn_r50", 0) not in results


def test_what_a_result_is_made_from_stands_before_it(study):
    results = build_graph(study).needed()
    order = list(results)
    assert all(order.index(entry) < order.index(result) for result in order for entry in results[result].results)
