"""Descriptions of data sets of one's own: what they mean, and what is refused in one line."""

from pathlib import Path

import pytest
import yaml

from fbnet.config.base import validating
from fbnet.config.dataset_files import MAX_FOREGROUND, dataset_names, find_dataset, load_dataset_file
from fbnet.config.datasets import DataConfig
from fbnet.config.labels import IGNORE_INDEX
from fbnet.config.load import load_study
from fbnet.config.registry import DATASETS
from fbnet.errors import InputError
from fbnet.models.block_loss import MAX_CLASSES
from tests.own_data import COLOURS, STREETS, describe

FILE = "params/datasets/streets.yaml"
DATA = {"dataset": "streets", "train": "train", "evaluate": "val"}
ROAD, POLE = {"colour": [1, 1, 1], "ids": [0]}, {"colour": [2, 2, 2], "ids": [1, 4]}


@pytest.fixture
def streets(project):
    return describe(Path())


def refused(message: str) -> None:
    with pytest.raises(InputError) as raised:
        load_dataset_file(Path(FILE))
    assert str(raised.value).startswith(f"{FILE}: {message}")
    assert "\n" not in str(raised.value)


def classes(**changes: object) -> dict:
    return {"classes": {"road": ROAD, "pole": POLE} | changes, "foreground": ["pole"]}


def test_colours(streets):
    labels = find_dataset("streets").labels
    assert labels.name == "streets"
    assert labels.classes == tuple(COLOURS)
    assert labels.palette == tuple(COLOURS.values())
    assert labels.foreground == ("pole", "rider")
    assert labels.foreground_ids == (3, 4)
    assert labels.raw_colours == {colour: index for index, colour in enumerate(COLOURS.values())}
    assert labels.to_raw(labels.train_ids[:1, None]).shape == (1, 1, 3)


def test_ids(project):
    describe(Path(), **classes(), ignore={"ids": [255]})
    labels = find_dataset("streets").labels
    assert labels.raw_ids == {0: 0, 1: 1, 4: 1, 255: IGNORE_INDEX}
    assert labels.to_raw(labels.train_ids[[[0, 1, 4]]]).tolist() == [[0, 1, 1]]  # the first id of a class


def test_train_ids_unless_ids_are_given(project):
    named = {"road": {"colour": [1, 1, 1]}, "pole": {"colour": [2, 2, 2]}}
    describe(Path(), classes=named, foreground=["pole"], ignore={"ids": [9]})
    assert find_dataset("streets").labels.raw_ids == {0: 0, 1: 1, 9: IGNORE_INDEX}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root": None}, "root: is missing"),
        ({"colours": {}}, "colours: unknown key; choose from "),
        ({"splits": {}}, "splits: must have at least 1 item"),
        ({"splits": {"a/b": STREETS["splits"]["train"]}}, "splits.a/b: must match pattern"),
        ({"splits": {"train": {"image": "*"}}}, "splits.train.image: unknown key; choose from images, labels, list"),
        ({"splits": {"train": {"images": "*"}}}, "splits.train.labels: is missing; give images and labels"),
        ({"splits": {"train": {}}}, "splits.train.images: is missing; give globs of images and labels, or a list"),
        (
            {"splits": {"train": {"images": "/a/*", "labels": "*"}}},
            "splits.train.images: must be a path below",
        ),
        ({"splits": {"train": {"images": ".", "labels": "*"}}}, "splits.train.images: must be a path below"),
        ({"splits": {"train": {"list": "/etc/passwd"}}}, "splits.train.list: must be a path below the root"),
        (
            {"splits": {"train": {"images": "../*", "labels": "*"}}},
            "splits.train.images: must be a path below",
        ),
        (
            {"splits": {"train": {"images": "a**/*", "labels": "*"}}},
            "splits.train.images: must have ** between",
        ),
        ({"names": {"image": "("}}, "names.image: must be a regular expression, not '('"),
        ({"names": {"label": "a+"}}, "names.label: must have a group"),
        ({"foreground": ["kerb"]}, "foreground: no class 'kerb'; choose from road, house, tree, pole, rider"),
        ({"foreground": []}, "foreground: must have at least 1 item"),
        ({"foreground": ["pole", "pole"]}, "foreground: 'pole' comes twice"),
        ({"ignore": {"rgb": [[70, 70, 70]]}}, "ignore.rgb: [70, 70, 70] stands in classes.house.rgb already"),
        ({"ignore": {"ids": [255]}}, "ignore.ids: label maps hold either ids or colours; give rgb here, too"),
        ({"ignore": {"rgb": [[0, 0]]}}, "ignore.rgb"),
        ({"ignore": {"rgb": [[0, 0, 256]]}}, "ignore.rgb: must be less than or equal to 255, not 256"),
        ({"tile": 0}, "tile: must be greater than 0"),
        ({"root_variable": "A B"}, "root_variable: must match pattern"),
        (classes(kerb={"colour": [3, 3, 3]}), "classes.kerb.ids: is missing"),
        (classes(kerb={"colour": [3, 3, 3], "rgb": [[0, 0, 0]]}), "classes.kerb.rgb: label maps hold either"),
        (classes(kerb={"colour": [3, 3, 3], "ids": [4]}), "classes.kerb.ids: 4 stands in classes.pole.ids already"),
        (classes(kerb={"ids": [5]}), "classes.kerb.colour: is missing"),
        (classes(kerb={"colour": [3, 3, 3], "id": 5}), "classes.kerb.id: unknown key; choose from ids, rgb, colour"),
        (classes(**{"a|b": ROAD}), "classes.a|b: must match pattern"),
        (
            classes(**{"a b": {"colour": [3] * 3, "ids": [5]}, "a_b": {"colour": [3] * 3, "ids": [6]}}),
            "classes: 'a_b' and",
        ),
        ({"classes": {}}, "classes: must have at least 1 item"),
    ],
)
def test_refused(project, changes, message):
    describe(Path(), **changes)
    refused(message)


def test_repeated_keys_are_refused(streets):
    streets.write_text(f"{streets.read_text()}root: elsewhere\n")
    refused("line ")


def test_as_many_foreground_classes_as_the_loss_can_tell_apart():
    assert MAX_FOREGROUND == MAX_CLASSES


class TestNames:
    def test_built_in_and_own(self, streets):
        assert dataset_names() == (*DATASETS, "streets")

    @pytest.mark.parametrize(
        ("name", "what"), [("camvid", "a built-in data set"), ("weights", "the folder data/weights")]
    )
    def test_taken(self, project, name, what):
        describe(Path(), name)
        with pytest.raises(InputError) as raised:
            DataConfig(dataset=name, root="raw", train="train", evaluate="val")
        assert str(raised.value) == f"params/datasets/{name}.yaml: has the name of {what}; rename the file"

    def test_a_damaged_file_matters_to_its_own_studies_only(self, streets):
        Path("params/datasets/other.yaml").write_text("[")
        assert load_study("camvid").data.dataset == "camvid"
        assert DataConfig.model_validate(DATA).dataset == "streets"
        with pytest.raises(InputError, match=r"^params/datasets/other\.yaml: "):
            DataConfig.model_validate(DATA | {"dataset": "other"})


class TestStudies:
    """What a study says of a data set of one's own, and what it may leave out."""

    def test_the_root_is_that_of_the_file(self, streets, monkeypatch):
        data = DataConfig.model_validate(DATA)
        assert data.raw_root == Path("streets")
        assert data.packed_name("train") == DataConfig.model_validate(DATA | {"root": "streets"}).packed_name("train")
        assert data.packed_name("train") != DataConfig.model_validate(DATA | {"root": "other"}).packed_name("train")
        monkeypatch.setenv("STREETS_ROOT", "elsewhere")
        assert data.raw_root == Path("elsewhere")

    def test_built_in_ones_need_a_root(self):
        with pytest.raises(InputError, match=r"study.yaml: root: is missing"), validating(Path("study.yaml")):
            DataConfig(dataset="camvid", train="train", evaluate="test")

    def test_only_splits_that_it_has(self, streets):
        message = "evaluate: no split 'test'; choose from train, val"
        with pytest.raises(InputError, match=message), validating(Path("study.yaml")):
            DataConfig.model_validate(DATA | {"evaluate": "test"})

    def test_the_suggested_tile(self, project):
        describe(Path(), tile=32)
        project.write_study(
            data={"cityscapes": DATA}, training__class_uniform={}, runs=["fcn_r50", "fcn_r50_fbnet"],
            tables=["table_1"], figures=[],
        )  # fmt: skip
        assert load_study("toy").settings.training.class_uniform.tile == {"cityscapes": 32}
        content = yaml.safe_load(Path("params/studies/toy.yaml").read_text())
        content["training"]["class_uniform"] = {"tile": {"cityscapes": 16}}
        Path("params/studies/toy.yaml").write_text(yaml.safe_dump(content))
        assert load_study("toy").settings.training.class_uniform.tile == {"cityscapes": 16}

    @pytest.mark.parametrize("name", ["miou", "seeds", "method"])
    def test_classes_are_no_columns_of_tables(self, project, name):
        describe(Path(), classes={name: ROAD, "pole": POLE}, foreground=["pole"])
        project.write_study(data={"cityscapes": DATA}, runs=["fcn_r50"], tables=["table_1"], figures=[])
        with pytest.raises(InputError, match=f"data: streets has a class '{name}', which names a column"):
            load_study("toy")
