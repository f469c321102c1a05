"""The shipped parameters load; what is wrong in a file is named with its key and the valid choices."""

from dataclasses import replace
from typing import ClassVar

import pytest
import yaml

from fbnet import config, params, paths, recipe
from fbnet.errors import InputError
from tests.conftest import TOY


@pytest.mark.parametrize("study", ["demo", "camvid", "camvid_small", "paper"])
def test_shipped_studies_load(project, study):
    loaded = params.load_study(study)
    assert loaded.runs
    rows = [row for table in loaded.tables.values() for row in table.rows]
    assert all((row in loaded.runs) != (row in loaded.quoted) for row in rows)


def test_runs_of_the_tables(project):
    study = params.load_study("paper")
    assert len(study.runs) == 24
    assert [len(study.table(f"table_{number}").rows) for number in range(1, 7)] == [4, 4, 6, 6, 24, 5]
    shown = {row for table in study.tables.values() for row in table.rows}
    # a pre-training is in no table, but a run of a table starts from it
    assert {run for row in shown & set(study.runs) for run in study.chain(row)} == set(study.runs)
    assert shown - set(study.runs) == set(study.quoted)


def test_a_run_goes_to_its_own_data(project):
    study = params.load_study("paper")
    assert study.data_of("fcn_r50").dataset == "cityscapes"
    assert study.data_of("deeplabv3plus_r101_bdd100k").dataset == "bdd100k"
    assert study.data_of_table("table_6").dataset == "bdd100k"
    with pytest.raises(InputError, match="no data 'kitti'; choose from cityscapes, cityscapes_test,"):
        study.role("kitti")


def test_a_study_without_data_or_recipe_of_a_run_does_not_have_it(project):
    runs = params.load_study("camvid").runs
    assert len(runs) == 18
    assert all(run.roles == ("cityscapes",) and run.start is None for run in runs.values())


class TestChains:
    """A run may start from another's network, be trained by a recipe of its own, and on more than fine labels."""

    RUN = "deeplabv3plus_wrn38_fbnet_trainval"

    def test_the_parent_comes_first(self, project):
        study = params.load_study("paper")
        assert study.chain(self.RUN) == ("deeplabv3plus_wrn38_mapillary", self.RUN)
        assert study.chain("fcn_r50") == ("fcn_r50",)

    def test_a_recipe_is_a_delta_over_the_training(self, project):
        study = params.load_study("paper")
        training, fine = study.settings.training, study.training_of(self.RUN)
        assert fine == replace(training, learning_rate=0.001)
        pre = study.training_of("deeplabv3plus_wrn38_mapillary")
        assert (pre.crop, pre.batch_size, pre.epochs) == ((896, 896), 16, 175)
        assert (pre.learning_rate, pre.poly_power, pre.image_weights) == (0.02, 1.0, 6.0)
        assert (pre.ohem, pre.class_weights, pre.photometric) == (None, None, training.photometric)
        assert study.training_of("fcn_r50") == training

    def test_what_it_is_trained_on(self, project):
        study = params.load_study("paper")
        assert study.training_splits(self.RUN) == ("train", "val")
        assert study.training_splits("fcn_r50") == ("train",)
        assert study.run(self.RUN).roles == ("cityscapes", "cityscapes_coarse", "cityscapes_test")
        assert not study.run(self.RUN).evaluated
        assert study.run("deeplabv3plus_wrn38_fbnet").evaluated
        parameters = study.training_parameters(self.RUN)
        assert parameters["coarse"] == {"dataset": "cityscapes_coarse", "synthetic": None}

    def test_initial_weights_are_for_the_first(self, project):
        study = params.load_study("paper")
        assert study.initial_weights(self.RUN) is None
        entry = study.initial_weights("deeplabv3plus_wrn38_mapillary")
        assert entry == study.settings.training.initial_weights["wider_resnet38"]

    def test_a_named_run_brings_its_parent(self, project):
        content = yaml.safe_load(paths.study_file("paper").read_text())
        content |= {"runs": ["deeplabv3plus_wrn38_fbnet"], "tables": ["table_5"], "figures": []}
        paths.study_file("mine").write_text(yaml.safe_dump(content))
        assert set(params.load_study("mine").runs) == {"deeplabv3plus_wrn38_mapillary", "deeplabv3plus_wrn38_fbnet"}

    @pytest.mark.parametrize(
        ("remove", "remedy"),
        [
            (("data", "mapillary"), "deeplabv3plus_wrn38_fbnet needs a data set for data.mapillary"),
            (("data", "cityscapes_coarse"), "deeplabv3plus_wrn38_fbnet needs a data set for data.cityscapes_coarse"),
            (("recipes", "pretraining"), "deeplabv3plus_wrn38_fbnet needs recipes.pretraining"),
            (("recipes", "finetuning"), "deeplabv3plus_wrn38_fbnet needs recipes.finetuning"),
        ],
    )
    def test_what_a_named_run_lacks_is_said(self, project, remove, remedy):
        content = yaml.safe_load(paths.study_file("paper").read_text())
        del content[remove[0]][remove[1]]
        content |= {"runs": ["deeplabv3plus_wrn38_fbnet"], "tables": ["table_5"], "figures": []}
        paths.study_file("mine").write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=remedy):
            params.load_study("mine")

    @pytest.mark.parametrize(
        ("run", "change", "problem"),
        [
            ("fcn_r50", {"start": "mine"}, r"fcn_r50\.start: no 'mine'; choose from"),
            ("fcn_r50", {"start": "fcn_r50"}, r"fcn_r50\.start: leads back to fcn_r50"),
            ("fcn_r50", {"start": "fcn_r101"}, r"fcn_r50\.start: fcn_r101 has another head or backbone"),
            ("fcn_r50", {"coarse_classes": ["tram"]}, r"fcn_r50\.coarse_classes: no 'tram'; choose from road,"),
            (
                "deeplabv3plus_r101_bdd100k",
                {"split": "trainval"},
                r"deeplabv3plus_r101_bdd100k\.split: is a matter of Cityscapes",
            ),
            ("deeplabv3plus_wrn38_mapillary", {"stem": "plain"}, r"stem: 'plain' is a ResNet's"),
        ],
    )
    def test_bad_runs(self, project, run, change, problem):
        content = yaml.safe_load(paths.RUNS_FILE.read_text())
        content["runs"][run] |= change
        paths.RUNS_FILE.write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=problem):
            params.load_study("paper")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"recipes": []}, r"training: and recipes must hold keys and values"),
            ({"recipes": {"finetuning": 1}}, r"recipes\.finetuning: must hold keys and values"),
            ({"recipes": {"finetuning": {"crop": [7, 7]}}}, r"recipes\.finetuning\.crop: must be multiples"),
            ({"recipes": {"finetuning": {"cropp": 7}}}, r"recipes\.finetuning\.cropp: unknown key"),
            ({"multi_scale": None}, r"multi_scale: is missing; table_5 needs its scales"),
            ({"multi_scale": {"scales": [], "mirror": True}}, r"multi_scale\.scales: must be one or more"),
        ],
    )
    def test_bad_studies(self, project, change, problem):
        content = yaml.safe_load(paths.study_file("paper").read_text()) | change
        paths.study_file("mine").write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=problem):
            params.load_study("mine")

    @pytest.mark.parametrize(
        ("recipe", "change", "problem"),
        [
            ("finetuning", {"class_uniform": None}, r"finetuning\.class_uniform: must be on for deeplabv3plus_wrn38"),
            (
                "finetuning",
                {"class_uniform": {"tile": {"cityscapes": 64}}},
                r"class_uniform\.tile: has no side for cityscapes_coarse, which deeplabv3plus_wrn38",
            ),
            ("pretraining", {"class_weights": [1.0]}, r"pretraining\.image_weights: stands in the place of"),
            ("pretraining", {"image_weights": 0}, r"pretraining\.image_weights: must be a bound above 0"),
            ("pretraining", {"initial_weights": {"resnet50": "a"}}, r"has no file for wider_resnet38, which"),
        ],
    )
    def test_bad_recipes(self, project, recipe, change, problem):
        content = yaml.safe_load(paths.study_file("paper").read_text())
        content["recipes"][recipe] |= change
        paths.study_file("mine").write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=problem):
            params.load_study("mine")


def test_a_run_is_a_delta_over_the_defaults(project):
    run = params.load_study("paper").run("fcn_r101_pce_dfm")
    assert (run.head, run.backbone) == ("fcn", "resnet101")
    assert run.balance == config.BalanceConfig(stages=("res5",), auxiliary="pce", modulator="dfm")


def test_the_papers_recipe(project):
    training = params.load_study("paper").settings.training
    assert training.ohem == recipe.OhemConfig(threshold=0.7, min_kept=10000)
    assert (len(training.class_weights), training.class_weights[0], training.class_weights[17]) == (19, 0.8373, 1.1529)
    assert training.class_uniform == recipe.ClassUniformConfig(
        tile={"cityscapes": 1024, "cityscapes_coarse": 1024, "bdd100k": 720}, fraction=0.5
    )
    assert training.photometric == recipe.PhotometricConfig(jitter=0.25, blur=(0.15, 1.3))


@pytest.mark.parametrize("study", ["demo", "camvid", "camvid_small"])
def test_the_recipe_is_off_by_default(project, study):
    loaded = params.load_study(study)
    assert loaded.settings.training.recipe == ()
    # or trained networks would be made anew for parameters that they do not have
    assert set(loaded.training_parameters("fcn_r50")["training"]) <= {
        "crop", "batch_size", "epochs", "learning_rate", "poly_power", "momentum", "weight_decay", "scale", "precision",
        "compile",
    }  # fmt: skip


def test_what_is_on_is_a_training_parameter(project):
    project.write_study(training__ohem={"threshold": 0.6})
    training = params.load_study("toy").training_parameters("fcn_r50")["training"]
    assert training["ohem"] == {"threshold": 0.6, "min_kept": 10000}


def test_a_study_of_few_runs_has_their_rows_only(project):
    assert params.load_study("camvid_small").table("table_1").rows == ("fcn_r50", "fcn_r50_fbnet")


@pytest.mark.parametrize(
    ("changes", "key", "remedy"),
    [
        ({"training__crop": [100, 64]}, "training.crop", "multiples of the output stride 8, not [100, 64]"),
        ({"training__crop": [64]}, "training.crop", "must hold 2 values"),
        ({"training__crop": 64}, "training.crop", "must be a list"),
        ({"training__batch_size": 1}, "training.batch_size", "at least 2"),
        ({"training__batch_size": 2.5}, "training.batch_size", "type int"),
        ({"training__learning_rate": "fast"}, "training.learning_rate", "type float"),
        ({"training__learning_rate": 0}, "training.learning_rate", "positive"),
        ({"training__epochs": True}, "training.epochs", "type int"),
        ({"training__scale": [2.0, 0.5]}, "training.scale", "range of positive factors"),
        ({"training__ohem": {"threshold": 0}}, "training.ohem.threshold", "above 0 and at most 1"),
        ({"training__ohem": {"min_kept": 0}}, "training.ohem.min_kept", "at least 1"),
        ({"training__ohem": {"kept": 5}}, "training.ohem.kept", "choose from threshold, min_kept"),
        ({"training__ohem": True}, "training.ohem", "keys and values"),
        ({"training__class_weights": [1.0] * 18}, "training.class_weights", "18 numbers, but synthetic has 19 classes"),
        ({"training__class_weights": [1.0] * 18 + [0]}, "training.class_weights", "positive numbers"),
        ({"training__class_weights": []}, "training.class_weights", "positive numbers"),
        ({"training__class_uniform": {}}, "training.class_uniform.tile", "is missing"),
        ({"training__class_uniform": {"tile": {}}}, "training.class_uniform.tile", "no side for cityscapes"),
        (
            {"training__class_uniform": {"tile": {"cityscapes": 0}}},
            "training.class_uniform.tile.cityscapes",
            "at least 1 pixel",
        ),
        (
            {"training__class_uniform": {"tile": {"cityscapes": 64}, "fraction": 0}},
            "training.class_uniform.fraction",
            "leave class_uniform out",
        ),
        (
            {"training__class_uniform": {"tile": {"cityscapes": 64}, "fraction": 1.5}},
            "training.class_uniform.fraction",
            "at most 1",
        ),
        ({"training__photometric": {"jitter": 0.6}}, "training.photometric.jitter", "from 0 to 0.5"),
        ({"training__photometric": {"blur": [1.3, 0.15]}}, "training.photometric.blur", "range of standard deviations"),
        ({"training__photometric": {"blur": [0, 1]}}, "training.photometric.blur", "above 0, not [0.0, 1.0]"),
        ({"training__crops": [64, 64]}, "training.crops", "choose from crop, batch_size"),
        ({"widht": 0.5}, "widht", "choose from description, data"),
        ({"width": 0}, "width", "above 0"),
        ({"seeds": []}, "seeds", "one or more"),
        ({"seeds": [1, 1]}, "seeds", "different"),
        ({"runs": ["fcn_r18"]}, "runs", "no 'fcn_r18'; choose from fcn_r50,"),
        ({"tables": ["table_9"]}, "tables", "choose from table_1, table_2, table_3, table_4, table_5,"),
        (
            {"tables": ["table_6"]},
            "tables",
            "table_6 would have no row; it needs one of the runs deeplabv3plus_r101_bdd100k,",
        ),
        ({"runs": ["deeplabv3plus_r101_bdd100k"]}, "runs", "needs a data set for data.bdd100k"),
        ({"figures": ["figure_3"]}, "figures", "choose from figure_1, figure_2, figure_7"),
        ({"figure_runs": {"baseline": "fcn_r50", "fbnet": "nothing"}}, "figure_runs", "no 'nothing'"),
        ({"evaluation__mode": "pieces"}, "evaluation.mode", "choose from whole, sliding"),
        ({"evaluation__mode": "sliding"}, "evaluation.tile", "needs both"),
        ({"evaluation": {"mode": "sliding", "tile": [60, 64], "stride": [8, 8]}}, "evaluation.tile", "multiples of 8"),
        ({"evaluation": {"mode": "sliding", "tile": [64, 64], "stride": [65, 8]}}, "evaluation.stride", "at most"),
        ({"evaluation__scales": []}, "evaluation.scales", "one or more"),
        ({"evaluation__scales": [1.0, 1]}, "evaluation.scales", "different"),
        ({"data": {"kitti": {}}}, "data", "no 'kitti'; choose from cityscapes, cityscapes_test,"),
        ({"data": {}}, "data", "names no data set"),
        (
            {"data__cityscapes__dataset": "kitti"},
            "data.cityscapes.dataset",
            "choose from synthetic, synthetic_test, synthetic_coarse,",
        ),
        ({"data__cityscapes__dataset": "camvid"}, "data.cityscapes.synthetic", "only to them"),
        ({"data__cityscapes__evaluate": "test"}, "data.cityscapes.synthetic.images", "no number for split 'test'"),
        ({"data__cityscapes__evaluate": None}, "data.cityscapes.evaluate", "is missing; name a split"),
        ({"data__cityscapes__predict": "test"}, "data.cityscapes.predict", "needs train and evaluate"),
        (
            {"data__bdd100k": TOY["data"]["cityscapes"]},
            "data.bdd100k.dataset",
            "synthetic stands twice; name each data set once",
        ),
        ({"data__cityscapes__synthetic__height": 4096}, "data.cityscapes.synthetic.height", "1024 x 2048"),
        ({"data__cityscapes__synthetic__images__val": 0}, "data.cityscapes.synthetic.images", "at least 1"),
        ({"data__cityscapes__synthetic__images__val": 10**6}, "data.cityscapes.synthetic.images", "at most 100000"),
        ({"data__cityscapes__root": ""}, "data.cityscapes.root", "must be the path of a folder"),
        ({"data__cityscapes__root": "x" * 300}, "data.cityscapes.root", "must be the path of a folder"),
        ({"data__cityscapes__root": "a\nb"}, "data.cityscapes.root", "must be the path of a folder"),
        ({"data__cityscapes__root": "data/.."}, "data.cityscapes.root", "must name a folder for the scenes alone"),
        ({"data__cityscapes__train": "../x"}, "data.cityscapes.train", "letters, digits, underscores and hyphens"),
        ({"data__cityscapes__evaluate": "a; touch x"}, "data.cityscapes.evaluate", "letters, digits, underscores"),
        ({"training__learning_rate": float("nan")}, "training.learning_rate", "must be a finite number, not nan"),
        ({"training__learning_rate": float("inf")}, "training.learning_rate", "must be a finite number, not inf"),
        ({"training__epochs": 10**400}, "training.epochs", "must be a number of at most 9223372036854775807"),
        ({"training__epochs": 10**7}, "training.epochs", "at most 1000000"),
        ({"training__batch_size": 10**9}, "training.batch_size", "at most 65536"),
        ({"training__crop": [2**40, 64]}, "training.crop", "at most 16384"),
        ({"training__scale": [0.5, 1e300]}, "training.scale", "at most 16"),
        ({"training__momentum": -0.9}, "training.momentum", "must not be negative"),
        ({"evaluation__samples": 2**62}, "evaluation.samples", "at most 10000"),
        ({"evaluation__scales": [1.0, 1e9]}, "evaluation.scales", "at most 16"),
        ({"description": "\ud800"}, "description", "must be text without null characters and half characters"),
        ({"description": "a\0b"}, "description", "must be text without null characters and half characters"),
        ({"description": ["x" * 10**5]}, "description", "must be of type str, not ['xxxxxxxxxxxx...xxxxxxxxxxxxx']"),
        ({"seeds": [True]}, "seeds", "must be of type int, not True"),
        ({"a\nb": 1}, "a\\nb", "unknown key; choose from description"),
    ],
)
def test_bad_study(project, changes, key, remedy):
    project.write_study(**changes)
    with pytest.raises(InputError) as raised:
        params.load_study("toy")
    message = str(raised.value)
    assert message.startswith(f"params/studies/toy.yaml: {key}: ")
    assert remedy in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("delta", "key", "remedy"),
    [
        ({"balance": {"stages": ["res6"]}}, "balance.stages", "no 'res6'; choose from res2, res3, res4, res5"),
        ({"balance": {"stages": ["res5", "res5"]}}, "balance.stages", "twice"),
        ({"balance": {"stages": ["res5"], "auxiliary": "none", "modulator": "none"}}, "balance.stages", "do nothing"),
        ({"balance": {"squeeze_ratio": 0}}, "balance.squeeze_ratio", "at least 1"),
        ({"balance": {"weight": -1}}, "balance.weight", "negative"),
        ({"balance": "res5"}, "balance", "keys and values"),
        ({"head": "unet"}, "head", "choose from fcn, fcn_plain, pspnet, deeplabv3plus"),
        ({"backbone": "resnet18"}, "backbone", "choose from resnet50, resnet101"),
        ({"dilation": 2}, "dilation", "unknown key; choose from id, label, head"),
        ({"data": "kitti"}, "data", "choose from cityscapes, bdd100k"),
        ({"baseline": "nothing"}, "baseline", "no 'nothing'"),
        ({"label": None}, "label", "type str"),
    ],
)
def test_bad_run(project, delta, key, remedy):
    content = yaml.safe_load(paths.RUNS_FILE.read_text())
    content["runs"]["mine"] = {"label": "Mine", **delta}
    paths.RUNS_FILE.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as raised:
        params.load_study("toy")
    message = str(raised.value)
    assert message.startswith(f"params/runs.yaml: runs.mine.{key}: ")
    assert remedy in message


@pytest.mark.parametrize("name", ["a; touch x", "../up", "Upper", "two words", ""])
def test_bad_run_names(project, name):
    content = yaml.safe_load(paths.RUNS_FILE.read_text())
    content["runs"][name] = {"label": "Mine"}
    paths.RUNS_FILE.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="lower-case letters, digits and underscores"):
        params.load_study("toy")


def test_a_table_of_unknown_runs(project):
    content = yaml.safe_load(paths.RUNS_FILE.read_text())
    content["tables"]["table_1"]["rows"].append("mine")
    paths.RUNS_FILE.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"tables\.table_1\.rows: no 'mine'"):
        params.load_study("toy")


def test_a_table_of_two_data_sets(project):
    content = yaml.safe_load(paths.RUNS_FILE.read_text())
    content["tables"]["table_6"]["rows"].append("fcn_r50")
    paths.RUNS_FILE.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"tables\.table_6\.rows: must hold runs on one data set"):
        params.load_study("toy")


def test_unknown_study(project):
    with pytest.raises(InputError, match="no such study 'kitti'; choose from camvid, camvid_small, demo, paper, toy"):
        params.load_study("kitti")


@pytest.mark.parametrize(("kind", "name"), [("run", "mine"), ("table", "table_9"), ("figure", "figure_3")])
def test_unknown_names(project, kind, name):
    study = params.load_study("toy")
    with pytest.raises(InputError, match=f"no {kind} '{name}'; choose from "):
        getattr(study, kind)(name)


def test_unknown_seed(project):
    with pytest.raises(InputError, match="no seed 7; choose from 0, 1"):
        params.load_study("toy").check_seed(7)


@pytest.mark.parametrize(
    ("text", "problem"), [("a: [", "not valid YAML"), ("- a", "keys and values"), ("\x00", "not valid YAML")]
)
def test_unreadable_yaml(project, text, problem):
    paths.study_file("toy").write_text(text)
    with pytest.raises(InputError, match=f"params/studies/toy.yaml: .*{problem}"):
        params.load_study("toy")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("runs", "a; touch x"),
        ("runs", "../x"),
        ("runs", "x" * 101),
        ("quoted", "a|b"),
        ("tables", "t; touch x"),
        ("tables", "../t"),
        ("figures", "$(touch x)"),
    ],
)
def test_a_name_that_a_shell_or_a_path_would_take_apart(project, part, name):
    content = yaml.safe_load(paths.RUNS_FILE.read_text())
    content[part][name] = next(iter(content[part].values()))
    paths.RUNS_FILE.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as raised:
        params.load_study("toy")
    assert str(raised.value).startswith(f"params/runs.yaml: {part}.{name}: must be of ")


@pytest.mark.parametrize("name", ["../toy", "a; touch x", "", ".", "toy\n", "x" * 300, "a\0b", "-n"])
def test_a_study_is_a_word(project, name):
    with pytest.raises(InputError, match=r"^study .*: must be of letters, digits, underscores and hyphens"):
        params.load_study(name)


def test_defaults_of_another_kind(project):
    content = yaml.safe_load(paths.RUNS_FILE.read_text())
    content["defaults"]["balance"] = [1]
    paths.RUNS_FILE.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="balance: must hold keys and values, here and in defaults"):
        params.load_study("toy")


def test_missing_key(project):
    content = yaml.safe_load(paths.study_file("toy").read_text())
    del content["training"]["crop"]
    paths.study_file("toy").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"training\.crop: is missing"):
        params.load_study("toy")


class TestRoots:
    def test_the_environment_overrides_the_root(self, project, monkeypatch):
        study = params.load_study("camvid")
        assert str(study.data.raw_root) == "data/raw/camvid"
        monkeypatch.setenv("CAMVID_ROOT", "/elsewhere")
        assert str(study.data.raw_root) == "/elsewhere"

    def test_synthetic_scenes_never_land_in_real_data(self, project, monkeypatch):
        for variable in ("CITYSCAPES_ROOT", "SYNTHETIC_ROOT", "CAMVID_ROOT", "BDD100K_ROOT"):
            monkeypatch.setenv(variable, "/elsewhere")
        assert str(params.load_study("demo").data.raw_root) == "data/raw/synthetic"


class TestHardware:
    MACHINE: ClassVar[dict] = {
        "label": "a GPU",
        "bfloat16_tflops": 100,
        "float32_tflops": 50,
        "utilisation": 0.5,
        "memory_gib": 16,
        "dollars_an_hour": 1,
    }

    def write(self, **machines):
        paths.HARDWARE_FILE.write_text(yaml.safe_dump(machines, sort_keys=False))

    def test_the_first_is_the_default(self, project):
        assert params.load_hardware() == params.load_hardware("h100")
        self.write(mine=self.MACHINE, h100=self.MACHINE)
        assert params.load_hardware().name == "mine"

    def test_its_peak_is_of_a_precision(self, project):
        self.write(mine=self.MACHINE)
        machine = params.load_hardware("mine")
        assert (machine.peak("bfloat16"), machine.peak("float32")) == (1e14, 5e13)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"utilisation": 0}, "mine.utilisation: must be a share"),
            ({"utilisation": 1.01}, "mine.utilisation: must be a share"),
            ({"memory_gib": 0}, "mine.memory_gib: must be positive"),
            ({"bfloat16_tflops": -1}, "mine.bfloat16_tflops: must be positive"),
            ({"float32_tflops": 1e10}, "mine.float32_tflops: must be positive, from 0.001 to 1e"),
            ({"dollars_an_hour": 0}, "mine.dollars_an_hour: must be positive"),
            ({"dollars_an_hour": "3"}, "mine.dollars_an_hour: must be of type float"),
            ({"cores": 2}, "mine.cores: unknown key; choose from"),
        ],
    )
    def test_what_no_machine_is_is_refused(self, project, change, message):
        self.write(mine=self.MACHINE | change)
        with pytest.raises(InputError, match=f"^params/hardware.yaml: {message}"):
            params.load_hardware()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{}", "names no machine; describe one"),
            ("mine: 3", "mine: must hold keys and values"),
            ("mine: {label: a GPU}", "mine.bfloat16_tflops: is missing"),
            ("../x: {}", "../x: must be of letters, digits"),
            ("- 3", "must hold keys and values"),
        ],
    )
    def test_another_file_is_refused(self, project, content, message):
        paths.HARDWARE_FILE.write_text(content)
        with pytest.raises(InputError) as error:
            params.load_hardware()
        assert str(error.value).startswith(f"params/hardware.yaml: {message}")

    def test_an_unknown_name_lists_the_choices(self, project):
        with pytest.raises(InputError, match=r"no hardware 'tpu'; choose from h100, h200, a100, l40s$"):
            params.load_hardware("tpu")
