"""Data sets of one's own from their files to packed arrays: pairing, lists, colours, and what does not fit."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fbnet.config.datasets import DataConfig
from fbnet.data import raw_changes, raw_files
from fbnet.data.packed import open_split
from fbnet.data.prepare import prepare
from fbnet.data.readers.described import name_of
from fbnet.errors import InputError
from tests.own_data import COLOURS, SIZE, blocks, describe, make_streets, photo, save

FILE = "params/datasets/streets.yaml"


@pytest.fixture
def ids(project):
    """Train ids by name of a described data set."""
    describe(Path())
    return make_streets(Path("streets"), train=3, val=2)


def data(**changes):
    return DataConfig.model_validate({"dataset": "streets", "train": "train", "evaluate": "val"} | changes)


def refused(message: str, split: str = "train") -> None:
    with pytest.raises(InputError) as raised:
        prepare(data(), split)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_colours_become_train_ids(ids):
    for split in ("train", "val"):
        manifest = json.loads(prepare(data(), split).read_text())
        packed = open_split(data(), split)
        assert list(packed.names) == [name for name in ids if name.startswith(split)]
        for index, name in enumerate(packed.names):
            assert np.array_equal(packed.labels(index), ids[name])
            assert np.array_equal(packed.image(index), photo(ids[name]))
    assert manifest["classes"] == list(COLOURS)


def test_several_colours_of_a_class_and_ignored_ones(ids):
    shades = {"road": [[128, 64, 128], [1, 2, 3]], "pole": [[153, 153, 153], [255, 0, 0]]}
    classes = {name: {"colour": [0, 0, index], "rgb": values} for index, (name, values) in enumerate(shades.items())}
    describe(Path(), classes=classes, foreground=["pole"], ignore={"rgb": [[70, 70, 70], [107, 142, 35]]})
    prepare(data(), "train")
    table = np.array([0, 255, 255, 1, 1])
    assert np.array_equal(open_split(data(), "train").labels(0), table[ids["train_000"]])


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_label_maps_with_a_palette_or_an_opaque_channel(ids, mode):
    path = Path("streets/labels/train/train_000.png")
    image = Image.open(path)
    (image.quantize(len(COLOURS)) if mode == "P" else image.convert(mode)).save(path)
    prepare(data(), "train")
    assert np.array_equal(open_split(data(), "train").labels(0), ids["train_000"])


def test_ids_in_one_channel(project):
    label = blocks(0, 3)
    save(Path("streets/images/train/a.png"), photo(label))
    save(Path("streets/labels/train/a.png"), label * 10)
    values = {name: {"colour": [index] * 3, "ids": [10 * index]} for index, name in enumerate(("a", "b"))}
    describe(Path(), classes=values, foreground=["b"], ignore={"ids": [20]})
    prepare(data(), "train")
    assert np.array_equal(open_split(data(), "train").labels(0), np.array([0, 1, 255])[label])


class TestNames:
    @pytest.mark.parametrize(
        ("path", "pattern", "name"),
        [
            ("a/b.png", None, "b"),
            ("a/b_L.png", r"(.+)_L\.png", "b"),
            ("a/b_L.png", r"b_(L)", None),  # the whole name, not a part of it
            ("run1/seg/0007.png", r"([^/]+)/seg/(\d+)\.png", "run1_0007"),
            ("run1/rgb/0007.png", r"([^/]+)/seg/(\d+)\.png", None),
            ("a/b/c.png", r"(.+)/c\.png", "a_b"),
        ],
    )
    def test_by_hand(self, path, pattern, name):
        assert name_of(Path(path), pattern) == name

    def test_endings(self, ids):
        for path in sorted(Path("streets/labels").rglob("*.png")):
            path.rename(path.with_stem(f"{path.stem}_L"))
        refused("streets/images/train/train_000.png: has no label (and 2 more)")
        describe(Path(), names={"label": r"(.+)_L\.png"})
        prepare(data(), "train")
        assert open_split(data(), "train").names == ("train_000", "train_001", "train_002")

    def test_a_folder_for_each_recording(self, project):
        for run in ("a", "b"):
            label = blocks(ord(run), 5)
            save(Path(f"streets/{run}/rgb/0.png"), photo(label))
            save(Path(f"streets/{run}/seg/0.png"), np.array(list(COLOURS.values()), np.uint8)[label])
        splits = {"train": {"images": "*/rgb/*.png", "labels": "*/seg/*.png"}}
        describe(Path(), splits=splits)
        with pytest.raises(InputError, match=f"has the same name as .*correct names or {FILE}: splits.train.images"):
            prepare(DataConfig(dataset="streets", train="train"), "train")
        describe(Path(), splits=splits, names={"image": r"(\w)/rgb/(\d)\.png", "label": r"(\w)/seg/(\d)\.png"})
        own = DataConfig(dataset="streets", train="train")
        prepare(own, "train")
        assert open_split(own, "train").names == ("a_0", "b_0")


GLOBS = {"images": "images/**/*.png", "labels": "labels/**/*.png"}


class TestLists:
    def describe(self, listed="lists/train.txt", **globs):
        splits = {"train": {"list": listed, **globs}, "val": {"list": "lists/val.txt", **globs}}
        describe(Path(), splits=splits)

    def write(self, *lines, file="streets/lists/train.txt"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text("".join(f"{line}\n" for line in lines))

    def test_of_names(self, ids):
        self.describe(**GLOBS)
        self.write("# a comment", "val_001", "", "train_001")
        prepare(data(), "train")
        packed = open_split(data(), "train")
        assert packed.names == ("train_001", "val_001")
        assert np.array_equal(packed.labels(1), ids["val_001"])

    @pytest.mark.parametrize("separator", [" ", "\t"])
    def test_of_pairs(self, ids, separator):
        self.describe()
        self.write(separator.join(("images/train/train_001.png", "labels/val/val_000.png")))
        prepare(data(), "train")
        packed = open_split(data(), "train")
        assert packed.names == ("train_001",)
        assert np.array_equal(packed.labels(0), ids["val_000"])

    def test_in_the_repository(self, ids):
        self.describe("params/datasets/streets/train.txt", **GLOBS)
        self.write("train_002", file="params/datasets/streets/train.txt")
        prepare(data(), "train")
        assert open_split(data(), "train").names == ("train_002",)

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (["train_000", "train_000"], "streets/lists/train.txt: line 2: 'train_000' comes twice"),
            (["train_000", "kerb"], "streets/lists/train.txt: line 2: no image has the name 'kerb'"),
            (["# nothing"], "streets/lists/train.txt: is empty"),
        ],
    )
    def test_bad_names(self, ids, lines, message):
        self.describe(**GLOBS)
        self.write(*lines)
        refused(message)

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (["images/train/train_000.png"], "line 1: must hold an image and its label map"),
            (["images/train/train_000.png labels/train/x.png"], "line 1: no file 'labels/train/x.png' in streets"),
            (["../streets/images/train/train_000.png labels/train/train_000.png"], "line 1: no file '../streets"),
            (["images/train/train_000.png labels/train/train_000.png"] * 2, "has the same name as"),
        ],
    )
    def test_bad_pairs(self, ids, lines, message):
        self.describe()
        self.write(*lines)
        refused(message)

    def test_a_missing_list(self, ids):
        self.describe(**GLOBS)
        refused("streets/lists/train.txt: cannot be read (not there)")
        assert raw_files.missing(data(), ["train"]) == (Path("streets/lists/train.txt"),)

    def test_another_list_is_another_data_set(self, ids):
        """Even if it names the same files in other pairs, in as many bytes; a touched list is the same."""
        self.describe()
        first, second = "images/train/train_000.png", "images/train/train_001.png"
        pairs = [(first, "labels/train/train_000.png"), (second, "labels/train/train_001.png")]
        self.write(*(" ".join(pair) for pair in pairs))
        prepare(data(), "train")
        files = raw_changes.list_files(data(), "train")
        raw_changes.keep_listing(data(), "train", files)
        recorded = raw_changes.digest(files)
        os.utime("streets/lists/train.txt", (1, 1))
        assert raw_changes.changes(data(), "train", recorded) == []
        self.write(f"{first} {pairs[1][1]}", f"{second} {pairs[0][1]}")
        assert raw_changes.changes(data(), "train", recorded) == ["streets/lists/train.txt changed"]


class TestRefused:
    @pytest.mark.parametrize("key", ["images", "labels"])
    def test_globs_that_match_nothing(self, ids, key):
        globs = {"images": "images/train/*.png", "labels": "labels/train/*.png"}
        describe(Path(), splits={"train": globs | {key: "kerbs/*.png"}, "val": globs})
        refused(f"{FILE}: splits.train.{key}: 'kerbs/*.png' matches no file (.png")

    def test_globs_that_match_twice(self, ids):
        describe(
            Path(), splits={"train": {"images": "images/**/*.png", "labels": "labels/**/*.png"}, "val": {"list": "x"}}
        )
        save(Path("streets/images/more/train_001.png"), photo(ids["train_001"]))
        refused(
            f"has the same name as streets/images/more/train_001.png; remove one of them, or correct names or {FILE}"
        )

    def test_names_that_do_not_fit(self, ids):
        describe(Path(), names={"label": r"(.+)_L\.png"})
        refused(rf"its name does not fit '(.+)_L\\.png'; correct names or {FILE}: splits.train.labels")

    def test_a_colour_that_is_not_in_the_map(self, ids):
        path = Path("streets/labels/train/train_001.png")
        pixels = np.array(Image.open(path))
        pixels[5, 7:9] = 1, 2, 3
        save(path, pixels)
        refused(f"{path}: colour [1, 2, 3] at row 5, column 7 is of no class of streets (2 such pixels); add it to")

    def test_ids_where_colours_are_expected(self, ids):
        save(Path("streets/labels/train/train_001.png"), ids["train_001"])
        refused("streets/labels/train/train_001.png: mode L; a label map of streets has RGB colours")

    def test_a_photograph_format(self, ids):
        path = Path("streets/labels/train/train_001.png")
        Image.open(path).save(path, "JPEG")
        refused(f"{path}: cannot be read as an image")

    def test_sizes_that_differ(self, ids):
        save(Path("streets/labels/train/train_001.png"), np.zeros((8, 8, 3), np.uint8))
        height, width = SIZE
        refused(f"streets/labels/train/train_001.png: label and image differ in size (8 x 8 and {width} x {height})")

    def test_no_root(self, project):
        describe(Path())
        refused(f"streets: no such folder; point STREETS_ROOT or root in {FILE} at streets")

    def test_prepared_by_another_description(self, ids):
        prepare(data(), "train")
        values = {name: {"colour": [9, 9, 9], "rgb": [list(colour)]} for name, colour in COLOURS.items()}
        describe(Path(), classes=values)
        assert len(open_split(data(), "train")) == 3  # other colours in pictures only
        values["road"]["rgb"].append([1, 2, 3])
        describe(Path(), classes=values)
        with pytest.raises(InputError, match="made from other parameters than the study's"):
            open_split(data(), "train")
