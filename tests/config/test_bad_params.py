"""Errors in params/: one line with file, key and valid choices."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.errors import InputError
from tests.conftest import TOY


def change(path: Path, by: Callable[[dict], object]) -> None:
    """Changes what a file of params/ holds."""
    content = yaml.safe_load(path.read_text())
    by(content)
    path.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("changes", "key", "hint"),
    [
        ({"training__crop": [100, 64]}, "training.crop", "a multiple of 8, not 100"),
        ({"training__crop": [64]}, "training.crop", "must hold more values than [64]"),
        ({"training__crop": 64}, "training.crop", "must be a list"),
        ({"training__batch_size": 1}, "training.batch_size", "greater than or equal to 2"),
        ({"training__batch_size": 2.5}, "training.batch_size", "type int"),
        ({"training__learning_rate": "fast"}, "training.learning_rate", "type float"),
        ({"training__learning_rate": 0}, "training.learning_rate", "greater than 0"),
        ({"training__epochs": True}, "training.epochs", "type int"),
        ({"training__scale": [2.0, 0.5]}, "training.scale", "must be a range, its lower end first, not [2.0, 0.5]"),
        ({"training__scale": [0, 0.5]}, "training.scale", "greater than 0"),
        ({"training__ohem": {"threshold": 0}}, "training.ohem.threshold", "greater than 0"),
        ({"training__ohem": {"threshold": 1.1}}, "training.ohem.threshold", "less than or equal to 1"),
        ({"training__ohem": {"min_kept": 0}}, "training.ohem.min_kept", "greater than 0"),
        ({"training__ohem": {"kept": 5}}, "training.ohem.kept", "choose from threshold, min_kept"),
        ({"training__ohem": True}, "training.ohem", "keys and values"),
        ({"training__class_weights": [1.0] * 18}, "training.class_weights", "18 numbers, but synthetic has 19 classes"),
        ({"training__class_weights": [1.0] * 18 + [0]}, "training.class_weights", "greater than 0"),
        ({"training__class_weights": []}, "training.class_weights", "at least 1 item"),
        ({"training__class_uniform": {}}, "training.class_uniform.tile", "no side for cityscapes"),
        ({"training__class_uniform": {"tile": {}}}, "training.class_uniform.tile", "no side for cityscapes"),
        (
            {"training__class_uniform": {"tile": {"cityscapes": 0}}},
            "training.class_uniform.tile.cityscapes",
            "greater than 0",
        ),
        (
            {"training__class_uniform": {"tile": {"cityscapes": 64}, "fraction": 0}},
            "training.class_uniform.fraction",
            "greater than 0",
        ),
        (
            {"training__class_uniform": {"tile": {"cityscapes": 64}, "fraction": 1.5}},
            "training.class_uniform.fraction",
            "less than or equal to 1",
        ),
        ({"training__photometric": {"jitter": 0.6}}, "training.photometric.jitter", "less than or equal to 0.5"),
        ({"training__photometric": {"blur": [1.3, 0.15]}}, "training.photometric.blur", "range, its lower end first"),
        ({"training__photometric": {"blur": [0, 1]}}, "training.photometric.blur", "greater than 0, not 0"),
        ({"training__crops": [64, 64]}, "training.crops", "choose from crop, batch_size"),
        ({"widht": 0.5}, "widht", "choose from description, data"),
        ({"width": 0}, "width", "greater than 0"),
        ({"width": 5}, "width", "less than or equal to 4"),
        ({"seeds": []}, "seeds", "at least 1 item"),
        ({"seeds": [-1]}, "seeds", "greater than or equal to 0"),
        ({"seeds": [1, 1]}, "seeds", "different"),
        ({"runs": ["fcn_r18"]}, "runs", "no 'fcn_r18'; choose from fcn_r50,"),
        ({"tables": ["table_9"]}, "tables", "choose from table_1, table_2, table_3, table_4, table_5,"),
        (
            {"tables": ["table_6"]},
            "tables",
            "table_6 would have no row; it needs one of the runs deeplabv3plus_r101_bdd100k,",
        ),
        ({"runs": ["deeplabv3plus_r101_bdd100k"]}, "runs", "needs a dataset for data.bdd100k"),
        ({"figures": ["figure_3"]}, "figures", "choose from figure_1, figure_2, figure_7"),
        ({"figure_runs": {"baseline": "fcn_r50", "fbnet": "nothing"}}, "figure_runs", "no 'nothing'"),
        ({"evaluation__mode": "pieces"}, "evaluation.mode", "choose from whole, sliding"),
        ({"evaluation__mode": "sliding"}, "evaluation.tile", "needs both"),
        ({"evaluation": {"mode": "sliding", "tile": [60, 64], "stride": [8, 8]}}, "evaluation.tile", "a multiple of 8"),
        ({"evaluation": {"mode": "sliding", "tile": [64, 64], "stride": [65, 8]}}, "evaluation.stride", "at most"),
        ({"evaluation__scales": []}, "evaluation.scales", "one or more"),
        ({"evaluation__scales": [1.0, 1]}, "evaluation.scales", "different"),
        ({"data": {"kitti": {}}}, "data.kitti", "no 'kitti'; choose from cityscapes, cityscapes_test,"),
        ({"data": {}}, "data", "names no dataset"),
        (
            {"data__cityscapes__dataset": "kitti"},
            "data.cityscapes.dataset",
            "choose from synthetic, synthetic_test, synthetic_coarse,",
        ),
        ({"data__cityscapes__dataset": "camvid"}, "data.cityscapes.synthetic", "only to them"),
        ({"data__cityscapes__evaluate": "test"}, "data.cityscapes.synthetic.images", "no number for split 'test'"),
        ({"data__cityscapes__evaluate": None}, "data.cityscapes.evaluate", "is missing; name a split"),
        ({"data__cityscapes__predict": "val"}, "data.cityscapes.predict", "needs train and evaluate"),
        (
            {"data__bdd100k": TOY["data"]["cityscapes"]},
            "data.bdd100k.dataset",
            "synthetic stands twice; name each dataset once",
        ),
        (
            {"data__cityscapes__synthetic__height": 4096},
            "data.cityscapes.synthetic.height",
            "less than or equal to 1024",
        ),
        ({"data__cityscapes__synthetic__images__val": 0}, "data.cityscapes.synthetic.images.val", "greater than 0"),
        ({"data__cityscapes__root": ""}, "data.cityscapes.root", "must be the path of a file or folder"),
        ({"data__cityscapes__root": "x" * 300}, "data.cityscapes.root", "must be the path of a file or folder"),
        ({"data__cityscapes__root": "a\nb"}, "data.cityscapes.root", "must be the path of a file or folder"),
        ({"data__cityscapes__train": "../x"}, "data.cityscapes.train", "must match pattern"),
        ({"data__cityscapes__evaluate": "a; touch x"}, "data.cityscapes.evaluate", "must match pattern"),
        ({"training__learning_rate": float("nan")}, "training.learning_rate", "must be a finite number, not nan"),
        ({"training__learning_rate": float("inf")}, "training.learning_rate", "must be a finite number, not inf"),
        ({"training__momentum": -0.9}, "training.momentum", "greater than or equal to 0"),
        ({"description": ["x" * 10**5]}, "description", "must be of type string, not ['xxxxxxxxxxxx...xxxxxxxxxxxxx']"),
        ({"seeds": [True]}, "seeds", "must be of type int, not True"),
        ({"a\nb": 1}, "a\\nb", "unknown key; choose from description"),
    ],
)
def test_bad_study(project, changes, key, hint):
    project.write_study(**changes)
    with pytest.raises(InputError) as raised:
        load_study("toy")
    message = str(raised.value)
    assert message.startswith(f"params/studies/toy.yaml: {key}: ")
    assert hint in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("delta", "key", "hint"),
    [
        ({"balance": {"stages": ["res6"]}}, "balance.stages", "no 'res6'; choose from res2, res3, res4, res5"),
        ({"balance": {"stages": ["res5", "res5"]}}, "balance.stages", "twice"),
        ({"balance": {"stages": ["res5"], "auxiliary": "none", "modulator": "none"}}, "balance.stages", "do nothing"),
        ({"balance": {"stages": ["res5"], "modulator": "none", "init": "identity"}}, "balance.init", "leave it out"),
        ({"balance": {"squeeze_ratio": 0}}, "balance.squeeze_ratio", "greater than 0"),
        ({"balance": {"weight": -1}}, "balance.weight", "greater than or equal to 0"),
        ({"balance": "res5"}, "balance", "keys and values"),
        ({"head": "unet"}, "head", "choose from fcn, fcn_plain, fcn_skip, pspnet, deeplabv3plus"),
        ({"backbone": "resnet18"}, "backbone", "choose from resnet50, resnet101"),
        ({"dilation": 2}, "dilation", "unknown key; choose from id, label, head"),
        ({"data": "kitti"}, "data", "choose from cityscapes, bdd100k"),
        ({"baseline": "nothing"}, "baseline", "no 'nothing'"),
        ({"label": None}, "label", "type string"),
    ],
)
def test_bad_run(project, delta, key, hint):
    change(paths.RUNS_FILE, lambda content: content["runs"].update(mine={"label": "Mine", **delta}))
    with pytest.raises(InputError) as raised:
        load_study("toy")
    message = str(raised.value)
    assert message.startswith(f"params/runs.yaml: runs.mine.{key}: ")
    assert hint in message


@pytest.mark.parametrize("name", ["a; touch x", "../up", "Upper", "two words", ""])
def test_bad_run_names(project, name):
    change(paths.RUNS_FILE, lambda content: content["runs"].update({name: {"label": "Mine"}}))
    with pytest.raises(InputError, match="must match pattern"):
        load_study("toy")


@pytest.mark.parametrize(
    ("table", "row", "problem"),
    [("table_1", "mine", "no 'mine'"), ("table_6", "fcn_r50", "must hold runs on one dataset")],
    ids=["unknown run", "two data sets"],
)
def test_a_table_of_runs_that_do_not_fit(project, table, row, problem):
    change(paths.RUNS_FILE, lambda content: content["tables"][table]["rows"].append(row))
    with pytest.raises(InputError, match=rf"tables\.{table}\.rows: {problem}"):
        load_study("toy")


def test_unknown_study(project):
    with pytest.raises(
        InputError,
        match="no such study 'kitti'; choose from camvid, camvid_pretrained, camvid_pretrained_val, demo",
    ):
        load_study("kitti")


@pytest.mark.parametrize(("kind", "name"), [("run", "mine"), ("table", "table_9"), ("figure", "figure_3")])
def test_unknown_names(project, kind, name):
    study = load_study("toy")
    with pytest.raises(InputError, match=f"no {kind} '{name}'; choose from "):
        getattr(study, kind)(name)


def test_unknown_seed(project):
    with pytest.raises(InputError, match="no seed 7; choose from 0, 1"):
        load_study("toy").check_seed("fcn_r50", 7)


@pytest.mark.parametrize(
    ("text", "problem"), [("a: [", "not valid YAML"), ("- a", "keys and values"), ("\x00", "not valid YAML")]
)
def test_unreadable_yaml(project, text, problem):
    paths.study_file("toy").write_text(text)
    with pytest.raises(InputError, match=f"params/studies/toy.yaml: .*{problem}"):
        load_study("toy")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("runs", "a; touch x"),
        ("runs", "../x"),
        ("runs", "x" * 101),
        ("quoted", "a|b"),
        ("tables", "t; touch x"),
        ("tables", "../t"),
    ],
)
def test_a_name_that_a_shell_or_a_path_would_take_apart(project, part, name):
    change(
        paths.RUNS_FILE, lambda content: content[part].update({name: copy.deepcopy(next(iter(content[part].values())))})
    )
    with pytest.raises(InputError) as raised:
        load_study("toy")
    assert str(raised.value).startswith(f"params/runs.yaml: {part}.{name}: must match pattern ")


@pytest.mark.parametrize("name", ["../toy", "a; touch x", "", ".", "toy\n", "x" * 300, "a\0b", "-n"])
def test_a_study_is_a_word(project, name):
    with pytest.raises(InputError, match=r"^study .*: must be of letters, digits, underscores and hyphens"):
        load_study(name)


def test_defaults_of_another_kind(project):
    change(paths.RUNS_FILE, lambda content: content["defaults"].update(balance=[1]))
    with pytest.raises(InputError, match=r"defaults\.balance: must hold keys and values"):
        load_study("toy")


def test_missing_key(project):
    change(paths.study_file("toy"), lambda content: content["training"].pop("crop"))
    with pytest.raises(InputError, match=r"training\.crop: is missing"):
        load_study("toy")


def test_a_figure_that_nobody_draws(project):
    change(paths.RUNS_FILE, lambda content: content["figures"].update(figure_3={"title": "More"}))
    with pytest.raises(InputError, match=r"figures\.figure_3: no 'figure_3'; choose from figure_1, figure_2, figure_7"):
        load_study("toy")
