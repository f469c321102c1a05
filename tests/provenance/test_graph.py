"""The dependency graph: inputs, outputs and the files that identify a result."""

import pytest

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.provenance.graph import Result, build_graph, of_run, prepared, rule_outputs
from tests.conftest import EVERYTHING, TRAIN, VAL

RUN = "fcn_r50"


@pytest.fixture
def everything(project):
    project.write_study(**EVERYTHING)
    return build_graph(load_study("toy"))


@pytest.fixture
def camvid(project):
    return build_graph(load_study("camvid"))


def test_inputs_come_first(everything, camvid):
    for graph in (everything, camvid):
        order = list(graph.nodes)
        assert all(order.index(entry) < order.index(result) for result in order for entry in graph[result].inputs)


def test_a_history_is_written_but_identifies_nothing(everything):
    node = everything[of_run("train", RUN, 0)]
    assert node.identity == (paths.checkpoint_file("toy", RUN, 0),)
    assert paths.history_file("toy", RUN, 0) in node.outputs
    assert node.record in node.outputs


def test_prepared_data_are_identified_by_their_manifest(everything):
    node = everything[Result("prepare", TRAIN)]
    assert node.identity == (paths.manifest_file(TRAIN),)
    assert {*node.identity, *node.byproducts} == set(everything.study.data.prepared_files("train"))


def test_raw_data_feed_preparation(camvid):
    name = camvid.study.data.packed_name("train")
    raw, prepare = Result("raw", name), Result("prepare", name)
    assert camvid[prepare].inputs == (raw,)
    assert camvid[prepare].results == ()
    assert camvid[raw].outputs == ()
    assert raw not in camvid.results
    assert camvid.raw_data(prepare) == (camvid.study.data, "train")
    assert camvid.raw_data(of_run("train", RUN, 0)) is None


def test_synthetic_scenes_have_no_raw_data(everything):
    assert everything.nodes.keys() == everything.results.keys()


def test_jobs_depend_on_the_splits_that_they_read(everything):
    train, val = Result("prepare", TRAIN), Result("prepare", VAL)
    assert everything[of_run("train", RUN, 0)].inputs == (train,)
    assert everything[of_run("evaluate", RUN, 0)].inputs == (of_run("train", RUN, 0), val)
    coarse = prepared(everything.study, "cityscapes_coarse", "train_extra")
    assert everything[of_run("train", "deeplabv3plus_wrn38_fbnet_trainval", 0)].inputs == (
        *(train, val, coarse),
        *(Result("centroids", f"{entry.name}/64") for entry in (train, val, coarse)),
        of_run("train", "deeplabv3plus_wrn38_mapillary", 0),
    )
    test = prepared(everything.study, "cityscapes_test", "test")
    trained = of_run("train", "deeplabv3plus_wrn38_fbnet_trainval", 0)
    assert everything[of_run("export", "deeplabv3plus_wrn38_fbnet_trainval", 0)].inputs == (trained, test)


def test_needed_leaves_out_what_no_table_reads(everything):
    needed = everything.needed()
    assert of_run("evaluate_multi_scale", RUN, 0) in everything.results
    assert of_run("evaluate_multi_scale", RUN, 0) not in needed
    assert Result("table", "table_1") in needed


@pytest.mark.parametrize("kind", ["train", "evaluate", "evaluate_multi_scale", "export"])
def test_patterns_give_every_runs_files(everything, kind):
    pattern = rule_outputs("toy", kind, "{run}/seed{seed}")
    results = [result for result in everything.results if result.kind == kind]
    assert results
    for result in results:
        run, _, seed = result.name.rpartition("/seed")
        files = [*pattern["identity"], *pattern["byproducts"], pattern["record"]]
        assert [str(path).format(run=run, seed=seed) for path in files] == [*map(str, everything[result].outputs)]
