"""The shipped parameters load: runs, recipes, chains and roots, and what is wrong with a chain is named."""

import pytest
import yaml

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.config.runs import BalanceConfig
from fbnet.config.training import ClassUniformConfig, OhemConfig, PhotometricConfig
from fbnet.errors import InputError


@pytest.mark.parametrize("study", ["demo", "camvid", "camvid_pretrained", "camvid_pretrained_val", "paper"])
def test_shipped_studies_load(project, study):
    loaded = load_study(study)
    assert loaded.runs
    rows = [row for table in loaded.tables.values() for row in table.rows]
    assert all((row in loaded.runs) != (row in loaded.quoted) for row in rows)


def test_runs_of_the_tables(project):
    study = load_study("paper")
    assert len(study.runs) == 24
    assert [len(study.table(f"table_{number}").rows) for number in range(1, 7)] == [4, 4, 6, 6, 24, 5]
    shown = {row for table in study.tables.values() for row in table.rows}
    # a pre-training is in no table, but a run of a table starts from it
    assert {run for row in shown & set(study.runs) for run in study.ancestors(row)} == set(study.runs)
    assert shown - set(study.runs) == set(study.quoted)


def test_a_run_goes_to_its_own_data(project):
    study = load_study("paper")
    assert study.data_of("fcn_r50").dataset == "cityscapes"
    assert study.data_of("deeplabv3plus_r101_bdd100k").dataset == "bdd100k"
    assert study.data_of_table("table_6").dataset == "bdd100k"
    with pytest.raises(InputError, match="no data 'kitti'; choose from cityscapes, cityscapes_test,"):
        study.role("kitti")


def test_a_study_without_data_or_recipe_of_a_run_does_not_have_it(project):
    runs = load_study("camvid").runs
    assert len(runs) == 16
    assert all(run.roles == ("cityscapes",) and run.start is None for run in runs.values())


def test_a_study_trains_the_runs_of_its_own_tables_and_their_baselines(project):
    table = {"title": "Mine", "describe": ["method"], "columns": ["miou"], "rows": ["pspnet_r50_fbnet"]}
    project.write_study(runs=[], tables=[], figures=[], own_tables={"mine": table})
    assert list(load_study("toy").runs) == ["pspnet_r50", "pspnet_r50_fbnet"]


class TestChains:
    """A run may start from another's network, be trained by a recipe of its own, and on more than fine labels."""

    RUN = "deeplabv3plus_wrn38_fbnet_trainval"

    def test_the_parent_comes_first(self, project):
        study = load_study("paper")
        assert study.ancestors(self.RUN) == ("deeplabv3plus_wrn38_mapillary", self.RUN)
        assert study.ancestors("fcn_r50") == ("fcn_r50",)

    def test_a_recipe_is_a_delta_over_the_training(self, project):
        study = load_study("paper")
        training, fine = study.settings.training, study.training_of(self.RUN)
        changed = {"crop": (896, 896), "batch_size": 16, "epochs": 175, "learning_rate": 0.001, "poly_power": 1.0}
        tile = {"cityscapes": 1024, "cityscapes_coarse": 1024}
        changed["class_uniform"] = ClassUniformConfig(tile=tile, fraction=0.5, epochs=150)
        assert fine == training.model_copy(update=changed)
        pre = study.training_of("deeplabv3plus_wrn38_mapillary")
        assert (pre.crop, pre.batch_size, pre.epochs) == ((896, 896), 16, 175)
        assert (pre.learning_rate, pre.poly_power, pre.image_weights) == (0.02, 1.0, 6.0)
        assert (pre.ohem, pre.class_weights, pre.photometric) == (None, None, training.photometric)
        assert study.training_of("fcn_r50") == training

    def test_what_it_is_trained_on(self, project):
        study = load_study("paper")
        assert study.training_splits(self.RUN) == ("train", "val")
        assert study.training_splits("fcn_r50") == ("train",)
        assert study.run(self.RUN).roles == ("cityscapes", "cityscapes_coarse", "cityscapes_test")
        assert not study.run(self.RUN).evaluated
        assert study.run("deeplabv3plus_wrn38_fbnet").evaluated
        parameters = study.training_parameters(self.RUN)
        assert (parameters["data"], parameters["splits"]) == ("cityscapes", ("train", "val"))

    def test_initial_weights_are_for_the_first(self, project):
        study = load_study("paper")
        assert study.initial_weights(self.RUN) is None
        entry = study.initial_weights("deeplabv3plus_wrn38_mapillary")
        assert entry == study.settings.training.initial_weights["wider_resnet38"]

    def test_a_named_run_brings_its_parent(self, project):
        content = yaml.safe_load(paths.study_file("paper").read_text())
        content |= {"runs": ["deeplabv3plus_wrn38_fbnet"], "tables": ["table_5"], "figures": []}
        paths.study_file("mine").write_text(yaml.safe_dump(content))
        assert set(load_study("mine").runs) == {"deeplabv3plus_wrn38_mapillary", "deeplabv3plus_wrn38_fbnet"}

    @pytest.mark.parametrize(
        ("remove", "hint"),
        [
            (("data", "mapillary"), "deeplabv3plus_wrn38_fbnet needs a dataset for data.mapillary"),
            (("data", "cityscapes_coarse"), "deeplabv3plus_wrn38_fbnet needs a dataset for data.cityscapes_coarse"),
            (("recipes", "pretraining"), "deeplabv3plus_wrn38_fbnet needs recipes.pretraining"),
            (("recipes", "finetuning"), "deeplabv3plus_wrn38_fbnet needs recipes.finetuning"),
        ],
    )
    def test_what_a_named_run_lacks_is_said(self, project, remove, hint):
        content = yaml.safe_load(paths.study_file("paper").read_text())
        del content[remove[0]][remove[1]]
        content |= {"runs": ["deeplabv3plus_wrn38_fbnet"], "tables": ["table_5"], "figures": []}
        paths.study_file("mine").write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=hint):
            load_study("mine")

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
                r"deeplabv3plus_r101_bdd100k\.split: is for Cityscapes only",
            ),
            (
                "deeplabv3plus_wrn38_mapillary",
                {"stem": "plain"},
                r"stem: wider_resnet38 has no 'plain'; choose from deep",
            ),
        ],
    )
    def test_bad_runs(self, project, run, change, problem):
        content = yaml.safe_load(paths.RUNS_FILE.read_text())
        content["runs"][run] |= change
        paths.RUNS_FILE.write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=problem):
            load_study("paper")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"recipes": []}, r"recipes: must hold keys and values"),
            ({"recipes": {"finetuning": 1}}, r"recipes\.finetuning: must hold keys and values"),
            ({"recipes": {"finetuning": {"crop": [7, 7]}}}, r"recipes\.finetuning\.crop: must be a multiple of 8"),
            ({"recipes": {"finetuning": {"cropp": 7}}}, r"recipes\.finetuning\.cropp: unknown key"),
            ({"multi_scale": None}, r"multi_scale: is missing; table_5 needs its scales"),
            ({"multi_scale": {"scales": [], "mirror": True}}, r"multi_scale\.scales: must be one or more"),
        ],
    )
    def test_bad_studies(self, project, change, problem):
        content = yaml.safe_load(paths.study_file("paper").read_text()) | change
        paths.study_file("mine").write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=problem):
            load_study("mine")

    @pytest.mark.parametrize(
        ("recipe", "change", "problem"),
        [
            ("finetuning", {"class_uniform": None}, r"finetuning\.class_uniform: must be on for deeplabv3plus_wrn38"),
            (
                "finetuning",
                {"class_uniform": {"tile": {"cityscapes": 64}}},
                r"class_uniform\.tile: has no side for cityscapes_coarse, which deeplabv3plus_wrn38",
            ),
            ("pretraining", {"class_weights": [1.0]}, r"pretraining\.image_weights: replaces"),
            (
                "pretraining",
                {"precision": "float32"},
                r"recipes\.pretraining\.precision: must be bfloat16, as",
            ),
            ("finetuning", {"deterministic": False}, r"recipes\.finetuning\.deterministic: must be True, as in train"),
            ("finetuning", {"threads": 2}, r"recipes\.finetuning\.threads: must be 1, as in training"),
            ("pretraining", {"image_weights": 0}, r"pretraining\.image_weights: must be greater than 0"),
            ("pretraining", {"initial_weights": {"resnet50": "a"}}, r"has no file for wider_resnet38, which"),
        ],
    )
    def test_bad_recipes(self, project, recipe, change, problem):
        content = yaml.safe_load(paths.study_file("paper").read_text())
        content["recipes"][recipe] |= change
        paths.study_file("mine").write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=problem):
            load_study("mine")


def test_a_run_is_a_delta_over_the_defaults(project):
    run = load_study("paper").run("fcn_r101_pce_dfm")
    assert (run.head, run.backbone) == ("fcn", "resnet101")
    assert run.balance == BalanceConfig(stages=("res5",), auxiliary="pce", modulator="dfm")


def test_the_papers_recipe(project):
    training = load_study("paper").settings.training
    assert training.ohem == OhemConfig(threshold=0.7, min_kept=10000)
    assert (len(training.class_weights), training.class_weights[0], training.class_weights[17]) == (19, 0.8373, 1.1529)
    assert training.class_uniform == ClassUniformConfig(
        tile={"cityscapes": 1024, "cityscapes_coarse": 1024, "bdd100k": 720}, fraction=0.5
    )
    assert training.photometric == PhotometricConfig(jitter=0.25, blur=(0.15, 1.3))


@pytest.mark.parametrize("study", ["demo", "camvid"])
def test_the_recipe_is_off_by_default(project, study):
    loaded = load_study(study)
    assert loaded.settings.training.recipe == ()
    # or trained networks would be made anew for parameters that they do not have
    assert set(loaded.training_parameters("fcn_r50")["training"]) <= {
        "crop", "batch_size", "epochs", "learning_rate", "poly_power", "momentum", "weight_decay", "scale", "precision",
        "compile", "deterministic", "threads",
    }  # fmt: skip


def test_what_is_on_is_a_training_parameter(project):
    project.write_study(training__ohem={"threshold": 0.6})
    training = load_study("toy").training_parameters("fcn_r50")["training"]
    assert training["ohem"] == {"threshold": 0.6, "min_kept": 10000, "mean": "image"}


def test_a_study_of_few_runs_has_their_rows_only(project):
    runs = ["fcn_r50", "fcn_r50_fbnet"]
    project.write_study(runs=runs, tables=["table_1"], figures=[])
    assert load_study("toy").table("table_1").rows == tuple(runs)


class TestRoots:
    def test_the_environment_overrides_the_root(self, project, monkeypatch):
        study = load_study("camvid")
        assert str(study.data.raw_root) == "data/raw/camvid"
        monkeypatch.setenv("CAMVID_ROOT", "/elsewhere")
        assert str(study.data.raw_root) == "/elsewhere"

    def test_synthetic_scenes_never_land_in_real_data(self, project, monkeypatch):
        for variable in ("CITYSCAPES_ROOT", "SYNTHETIC_ROOT", "CAMVID_ROOT", "BDD100K_ROOT"):
            monkeypatch.setenv(variable, "/elsewhere")
        assert str(load_study("demo").data.raw_root) == "data/raw/synthetic"


def test_sides_of_tiles_are_named_by_data_where_they_differ():
    assert "tiles of 64)" in str(ClassUniformConfig(tile={"cityscapes": 64, "mapillary": 64}))
    assert "tiles of 64 on cityscapes, 32 on mapillary)" in str(
        ClassUniformConfig(tile={"cityscapes": 64, "mapillary": 32})
    )
