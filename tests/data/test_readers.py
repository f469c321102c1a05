"""Readers on hand-made folders: Cityscapes without labels and with coarse labels, and Mapillary in both layouts."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fbnet.config.datasets import DataConfig, SyntheticConfig
from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX
from fbnet.config.registry import DATASETS
from fbnet.data import raw_files
from fbnet.data.packed import open_split
from fbnet.data.prepare import prepare
from fbnet.data.readers.mapillary_labels import CLASS_OF, V1_2, V2_0
from fbnet.errors import InputError
from tests.conftest import ROOT, prepare_all

TEST = DataConfig(dataset="cityscapes_test", root="raw", predict="test")
COARSE = DataConfig(dataset="cityscapes_coarse", root="raw", train="train_extra")
MAPILLARY = DataConfig(dataset="mapillary", root="raw", train="training")
CAMVID = DataConfig(dataset="camvid", root="raw", train="train", evaluate="test")
BDD100K = DataConfig(dataset="bdd100k", root="raw", train="train", evaluate="val")
SIZE = (6, 10)


def write(path, pixels):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def picture(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def choice(seed, ids, size=SIZE):
    return np.random.default_rng(seed).choice(np.array(ids, dtype=np.uint8), size)


def write_config(path, names):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps({"labels": [{"name": name, "evaluate": True} for name in names]}))


def missing(data):
    return raw_files.missing(data, data.splits)


def refused(data, message):
    with pytest.raises(InputError) as raised:
        prepare_all(data)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_published_numbers_are_of_splits_that_a_study_can_name():
    """Numbers published with each dataset; the paper rounds the coarse labels to 20 000."""
    images = {name: entry.images for name, entry in DATASETS.items() if entry.images}
    assert set(images) == {name for name in DATASETS if not name.startswith("synthetic")}
    assert sum(images["cityscapes"].values()) + images["cityscapes_test"]["test"] == 5000
    assert images["cityscapes_coarse"] == {"train_extra": 19998}
    assert sum(images["camvid"].values()) == 701


class TestCityscapesTest:
    @pytest.fixture
    def image(self, project):
        image = picture(0)
        write("raw/leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png", image)
        write("raw/gtFine/test/berlin/berlin_000000_000019_gtFine_labelIds.png", np.zeros((2, 2), np.uint8))
        return image

    def test_the_images_alone_are_packed(self, image):
        """The dummy labels beside them are not opened: their size is wrong."""
        manifest = json.loads(prepare(TEST, "test").read_text())
        split = open_split(TEST, "test")
        assert split.names == ("berlin_000000_000019",)
        assert np.array_equal(split.image(0), image)
        files = TEST.prepared_files("test")
        assert sorted(path for path in Path("data").rglob("*") if path.is_file()) == sorted(files)
        assert [path.name for path in files] == ["manifest.json", "images.npy"]
        assert set(manifest["sha256"]) == {"images"}
        assert "class_pixels" not in manifest
        (entry,) = manifest["images"]
        assert (entry["name"], entry["height"], entry["width"]) == ("berlin_000000_000019", *SIZE)
        assert set(entry) == {"name", "height", "width", "image_sha256"}

    def test_labels_are_refused(self, image):
        prepare_all(TEST)
        with pytest.raises(
            InputError,
            match="berlin_000000_000019: has no labels, as its split is one to predict; choose a labelled split",
        ):
            open_split(TEST, "test").labels(0)

    def test_no_images(self, image):
        shutil.rmtree("raw/leftImg8bit/test/berlin")
        refused(TEST, "raw: holds no images; expected leftImg8bit/test/*/*_leftImg8bit.png")

    def test_a_damaged_image(self, image):
        path = Path("raw/leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png")
        path.write_bytes(path.read_bytes()[:-40])
        refused(TEST, f"{path}: truncated or damaged")


class TestCityscapesCoarse:
    STEM = "augsburg/augsburg_000000_000000"

    @pytest.fixture
    def arrays(self, project):
        image, label = picture(0), choice(0, list(CITYSCAPES.raw_ids))
        write(f"raw/leftImg8bit/train_extra/{self.STEM}_leftImg8bit.png", image)
        write(f"raw/gtCoarse/train_extra/{self.STEM}_gtCoarse_labelIds.png", label)
        write(f"raw/gtFine/train_extra/{self.STEM}_gtFine_labelIds.png", np.zeros(SIZE, np.uint8))
        return image, label

    def test_the_coarse_labels_are_read(self, arrays):
        prepare_all(COARSE)
        split = open_split(COARSE, "train_extra")
        assert split.names == ("augsburg_000000_000000",)
        assert np.array_equal(split.image(0), arrays[0])
        assert np.array_equal(split.labels(0), np.vectorize(CITYSCAPES.raw_ids.get)(arrays[1]))

    def test_an_image_without_label(self, arrays):
        Path(f"raw/gtCoarse/train_extra/{self.STEM}_gtCoarse_labelIds.png").unlink()
        refused(COARSE, f"raw/leftImg8bit/train_extra/{self.STEM}_leftImg8bit.png: has no label; add the label")

    def test_empty(self, arrays):
        shutil.rmtree("raw/leftImg8bit")
        shutil.rmtree("raw/gtCoarse")
        refused(COARSE, "and gtCoarse/train_extra/*/*_gtCoarse_labelIds.png")

    def test_an_unknown_id(self, arrays):
        write(f"raw/gtCoarse/train_extra/{self.STEM}_gtCoarse_labelIds.png", np.full(SIZE, 34, np.uint8))
        refused(COARSE, "_gtCoarse_labelIds.png: label value 34 out of range; cityscapes has ids 0 to 33")

    def test_the_root_is_that_of_cityscapes(self, arrays, monkeypatch):
        Path("raw").rename("elsewhere")
        monkeypatch.setenv("CITYSCAPES_ROOT", "elsewhere")
        prepare_all(COARSE)


# Labels of each version by their ids in the data set's configuration files.
FIRST_IDS = {0: "animal--bird", 13: "construction--flat--road", 41: "object--manhole", 65: "void--unlabeled"}
SECOND_IDS = {21: "construction--flat--road", 30: "human--person--individual", 58: "marking-only--discrete--text"} | {
    90: "object--traffic-light--general-single",
    91: "object--traffic-light--pedestrians",
    94: "object--traffic-light--cyclists",
    108: "object--vehicle--car",
    123: "void--unlabeled",
}


class TestMapillaryLabels:
    def test_versions(self):
        assert (len(V1_2), len(V2_0)) == (66, 124)
        assert len(set(V1_2)) == 66
        assert len(set(V2_0)) == 124
        assert {V1_2[position] == name for position, name in FIRST_IDS.items()} == {True}
        assert {V2_0[position] == name for position, name in SECOND_IDS.items()} == {True}

    def test_every_label_is_decided(self):
        assert set(CLASS_OF) == {*V1_2, *V2_0}
        assert set(CLASS_OF.values()) == {*CITYSCAPES.classes, None}

    def test_either_version_has_all_classes(self):
        for version in (V1_2, V2_0):
            assert {CLASS_OF[name] for name in version} == {*CITYSCAPES.classes, None}

    def test_the_first_version_by_hand(self):
        """Ids of version 1.2 by their class of Cityscapes."""
        expected = {
            **{"road": {8, 13, 23, 24, 41}, "sidewalk": {2, 15}, "building": {17}, "wall": {6}, "fence": {3}},
            **{"pole": {45, 47}, "traffic light": {48}, "traffic sign": {50}, "vegetation": {30}, "terrain": {29}},
            **{"sky": {27}, "person": {19}, "rider": {20, 21, 22}, "car": {55}, "truck": {61}, "bus": {54}},
            **{"train": {58}, "motorcycle": {57}, "bicycle": {52}},
        }
        assert {name: {V1_2.index(label) for label in V1_2 if CLASS_OF[label] == name} for name in expected} == expected


FIRST = ("training/labels", "config.json", V1_2)
SECOND_OLD = ("training/v1.2/labels", "config_v1.2.json", V1_2)
SECOND_NEW = ("training/v2.0/labels", "config_v2.0.json", V2_0)


def write_mapillary(layout, names=None):
    """One image and label map, and the configuration file."""
    labels, config, all_names = layout
    label = choice(1, range(len(all_names)))
    write("raw/training/images/aaaaaaaaaaaaaaaaaaaaaa.jpg", picture(1))
    write(f"raw/{labels}/aaaaaaaaaaaaaaaaaaaaaa.png", label)
    write_config(f"raw/{config}", names or all_names)
    return label


class TestMapillary:
    @pytest.mark.parametrize("layout", [FIRST, SECOND_OLD, SECOND_NEW], ids=["1", "2 with 1.2", "2 with 2.0"])
    def test_each_layout(self, project, layout):
        label = write_mapillary(layout)
        prepare_all(MAPILLARY)
        split = open_split(MAPILLARY, "training")
        names = layout[2]
        for raw, train in zip(label.ravel().tolist(), split.labels(0).ravel().tolist(), strict=True):
            expected = CLASS_OF[names[raw]]
            assert train == (IGNORE_INDEX if expected is None else CITYSCAPES.classes.index(expected))
        assert split.image(0).shape == (*SIZE, 3)

    def test_sizes_may_differ(self, project):
        write_mapillary(FIRST)
        write("raw/training/images/b.jpg", picture(2, (8, 4)))
        write("raw/training/labels/b.png", choice(2, range(66), (8, 4)))
        prepare_all(MAPILLARY)
        split = open_split(MAPILLARY, "training")
        assert split.sizes == (SIZE, (8, 4))
        assert split.labels(1).shape == (8, 4)

    def test_version_1_2_is_preferred(self, project):
        write_mapillary(SECOND_NEW)
        write_mapillary(SECOND_OLD)
        write("raw/training/v1.2/labels/aaaaaaaaaaaaaaaaaaaaaa.png", np.full(SIZE, 55, np.uint8))
        prepare_all(MAPILLARY)
        assert (open_split(MAPILLARY, "training").labels(0) == CITYSCAPES.classes.index("car")).all()

    def test_ids_follow_the_configuration_file(self, project):
        write_mapillary(FIRST, names=V1_2[::-1])
        write("raw/training/labels/aaaaaaaaaaaaaaaaaaaaaa.png", np.full(SIZE, 65 - 55, np.uint8))
        prepare_all(MAPILLARY)
        assert (open_split(MAPILLARY, "training").labels(0) == CITYSCAPES.classes.index("car")).all()

    def test_an_id_beyond_the_list(self, project):
        write_mapillary(FIRST)
        write("raw/training/labels/aaaaaaaaaaaaaaaaaaaaaa.png", np.full(SIZE, 66, np.uint8))
        path = "raw/training/labels/aaaaaaaaaaaaaaaaaaaaaa.png"
        refused(MAPILLARY, f"{path}: label value 66 out of range; config.json has ids 0 to 65")

    def test_an_unknown_label(self, project):
        write_mapillary(FIRST, names=[*V1_2[:-1], "object--vehicle--tank"])
        refused(
            MAPILLARY, "raw/config.json: unknown label 'object--vehicle--tank'; take the file of version 1.2 or 2.0"
        )

    def test_an_image_without_label(self, project):
        write_mapillary(FIRST)
        Path("raw/training/labels/aaaaaaaaaaaaaaaaaaaaaa.png").unlink()
        refused(MAPILLARY, "raw/training/images/aaaaaaaaaaaaaaaaaaaaaa.jpg: has no label; add the label")

    def test_a_label_without_image(self, project):
        write_mapillary(SECOND_NEW)
        Path("raw/training/images/aaaaaaaaaaaaaaaaaaaaaa.jpg").unlink()
        refused(MAPILLARY, "raw/training/v2.0/labels/aaaaaaaaaaaaaaaaaaaaaa.png: has no image")

    def test_a_label_of_another_size(self, project):
        write_mapillary(FIRST)
        write("raw/training/labels/aaaaaaaaaaaaaaaaaaaaaa.png", np.zeros((5, 10), np.uint8))
        refused(MAPILLARY, "label and image differ in size (10 x 5 and 10 x 6)")

    def test_empty(self, project):
        Path("raw").mkdir()
        refused(MAPILLARY, "raw: holds no images and labels; expected training/images/*.jpg with training/labels/*.png")

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (Path.unlink, "raw/config.json: not there; copy it"),
            (lambda path: path.write_text("{"), "raw/config.json: no readable list of labels"),
            (lambda path: path.write_text("[]"), "raw/config.json: no readable list of labels"),
            (lambda path: path.write_text('{"labels": [{"readable": "Bird"}]}'), "no readable list of labels"),
            (lambda path: path.write_text('{"labels": []}'), "raw/config.json: must name 1 to 256 labels"),
            (lambda path: path.write_text('{"labels": [{"name": 3}]}'), "raw/config.json: must name 1 to 256 labels"),
            (lambda path: path.write_bytes(b"\xff\xfe"), "raw/config.json: no readable list of labels"),
        ],
    )
    def test_a_bad_configuration_file(self, project, spoil, message):
        write_mapillary(FIRST)
        spoil(Path("raw/config.json"))
        refused(MAPILLARY, message)


class TestMissing:
    def test_everything(self, project):
        assert missing(TEST) == (Path("raw/leftImg8bit/test"),)
        assert missing(COARSE) == (Path("raw/leftImg8bit/train_extra"), Path("raw/gtCoarse/train_extra"))
        assert missing(MAPILLARY) == (
            Path("raw/training/images"),
            Path("raw/training/labels"),
            Path("raw/config.json"),
        )
        assert missing(CAMVID) == tuple(Path("raw", name) for name in ("train", "trainannot", "test", "testannot"))

    def test_the_existing_layout_decides(self, project):
        Path("raw/seg/labels/train").mkdir(parents=True)
        Path("raw/training/v2.0/labels").mkdir(parents=True)
        assert Path("raw/seg/images/train") in missing(BDD100K)
        assert missing(MAPILLARY)[2] == Path("raw/config_v2.0.json")

    def test_empty_folders_and_one_file(self, project):
        Path("raw/leftImg8bit/train_extra/augsburg").mkdir(parents=True)
        Path("raw/gtCoarse/train_extra").mkdir(parents=True)
        assert missing(COARSE) == (Path("raw/gtCoarse/train_extra"),)
        Path("raw/gtCoarse/train_extra/augsburg").mkdir()
        assert missing(COARSE) == ()

    def test_what_can_be_prepared_misses_nothing(self, project):
        write_mapillary(SECOND_OLD)
        prepare_all(MAPILLARY)
        assert missing(MAPILLARY) == ()

    def test_the_environment_names_the_root(self, project, monkeypatch):
        monkeypatch.setenv("MAPILLARY_ROOT", "elsewhere")
        assert missing(MAPILLARY)[0] == Path("elsewhere/training/images")

    def test_synthetic_scenes_are_drawn(self, project):
        scenes = SyntheticConfig(height=32, width=64, images={"test": 1})
        assert missing(DataConfig(dataset="synthetic_test", root="raw", predict="test", synthetic=scenes)) == ()

    def test_planning_loads_no_image_library(self):
        script = "import sys, fbnet.data.raw_files; print(sorted({'numpy', 'PIL', 'torch'} & set(sys.modules)))"
        result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert result.stdout == "[]\n"
