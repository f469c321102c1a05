"""Preparation of hand-made files, and each kind of bad raw data."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fbnet import paths
from fbnet.config.datasets import DataConfig, SyntheticConfig
from fbnet.config.labels import BDD100K, CAMVID, CITYSCAPES, IGNORE_INDEX
from fbnet.config.load import load_study
from fbnet.data import prepare as prepare_module
from fbnet.data.images import read_stored_image
from fbnet.data.packed import open_split
from fbnet.data.prepare import prepare
from fbnet.data.readers.bdd100k import LAYOUTS
from fbnet.data.synthetic import write as synthetic
from fbnet.errors import InputError
from fbnet.io.files import write_json
from tests.conftest import prepare_all
from tests.data.raw import CAMVID_DATA, SIZE, TRAIN, scene, truncate, write
from tests.data.test_images import png

BDD100K_DATA = DataConfig(dataset="bdd100k", root="raw", train="train", evaluate="val")
CITYSCAPES_DATA = DataConfig(dataset="cityscapes", root="raw", train="train", evaluate="val")


@pytest.fixture
def cityscapes(project):
    arrays = {}
    for split, name in (("train", "aachen_000001_000019"), ("val", "bonn_000002_000019")):
        city = name.split("_")[0]
        arrays[name] = image, label = scene(len(arrays), list(CITYSCAPES.raw_ids))
        write(Path("raw/leftImg8bit", split, city, f"{name}_leftImg8bit.png"), image)
        write(Path("raw/gtFine", split, city, f"{name}_gtFine_labelIds.png"), label)
    return arrays


@pytest.fixture(params=LAYOUTS, ids=["images/10k", "seg"])
def bdd100k(project, request):
    """Arrays of one image per split, in either layout."""
    images, labels, ending = request.param
    arrays = {}
    for split, name in (("train", "0a0a0b1a-7c39d841"), ("val", "7d2f7975-e0c1c5a7")):
        arrays[name] = image, label = scene(len(arrays), list(BDD100K.raw_ids))
        write(Path("raw", images, split, f"{name}.jpg"), image)
        write(Path("raw", labels, split, f"{name}{ending}"), label)
    return arrays


def by_hand(label, spec):
    return np.array([[spec.raw_ids[int(value)] for value in row] for row in label], dtype=np.uint8)


class TestPrepare:
    def test_camvid(self, camvid):
        prepare(CAMVID_DATA, "train")
        split = open_split(CAMVID_DATA, "train")
        assert split.names == ("a", "b")
        for index, name in enumerate(split.names):
            assert np.array_equal(split.image(index), camvid[name][0])
            assert np.array_equal(split.labels(index), by_hand(camvid[name][1], CAMVID))

    def test_cityscapes(self, cityscapes):
        prepare_all(CITYSCAPES_DATA)
        for split_name, name in (("train", "aachen_000001_000019"), ("val", "bonn_000002_000019")):
            split = open_split(CITYSCAPES_DATA, split_name)
            assert split.names == (name,)
            assert np.array_equal(split.image(0), cityscapes[name][0])
            assert np.array_equal(split.labels(0), by_hand(cityscapes[name][1], CITYSCAPES))

    def test_bdd100k(self, bdd100k):
        prepare_all(BDD100K_DATA)
        for split_name, name in (("train", "0a0a0b1a-7c39d841"), ("val", "7d2f7975-e0c1c5a7")):
            split = open_split(BDD100K_DATA, split_name)
            assert split.names == (name,)
            assert split.image(0).shape == (*SIZE, 3)
            assert np.array_equal(split.labels(0), bdd100k[name][1])  # train ids as they stand, 255 among them

    def test_bdd100k_unpaired_image(self, bdd100k):
        next(Path("raw").rglob("*/val/*.png")).unlink()
        with pytest.raises(InputError, match=r"val/7d2f7975-e0c1c5a7\.jpg: has no label"):
            prepare_all(BDD100K_DATA)

    def test_bdd100k_of_label_ids(self, bdd100k):
        """Raw ids of Cityscapes instead of train ids are refused."""
        write(next(Path("raw").rglob("*/train/*.png")), np.full(SIZE, 33, dtype=np.uint8))
        with pytest.raises(InputError, match="label value 33 out of range; bdd100k has ids 0 to 18 and 255"):
            prepare_all(BDD100K_DATA)

    def test_cityscapes_ids(self):
        """Raw ids and train ids of the data set's own scripts."""
        expected = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
        expected |= {27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
        assert CITYSCAPES.raw_ids == {raw: expected.get(raw, IGNORE_INDEX) for raw in range(34)}

    def test_manifest(self, camvid):
        train = json.loads(prepare(CAMVID_DATA, "train").read_text())
        assert (train["dataset"], train["split"], train["root"]) == ("camvid", "train", "raw")
        assert train["classes"] == list(CAMVID.classes)
        labels = np.concatenate([by_hand(camvid[name][1], CAMVID) for name in "ab"])
        assert train["class_pixels"] == {name: int((labels == i).sum()) for i, name in enumerate(CAMVID.classes)}
        assert train["ignored_pixels"] == (labels == 255).sum()
        assert [(entry["name"], entry["height"], entry["width"]) for entry in train["images"]] == [
            ("a", *SIZE),
            ("b", *SIZE),
        ]
        assert len(train["images"][0]["image_sha256"]) == 64

    def test_images_of_different_sizes(self, camvid):
        image, label = scene(9, [1, 2], (11, 7))
        write(Path("raw/train/aa.png"), image)
        write(Path("raw/trainannot/aa.png"), label)
        prepare(CAMVID_DATA, "train")
        split = open_split(CAMVID_DATA, "train")
        assert split.sizes == (SIZE, (11, 7), SIZE)
        assert np.array_equal(split.image(1), image)
        assert np.array_equal(split.labels(2), by_hand(camvid["b"][1], CAMVID))

    @pytest.mark.parametrize("suffix", ["jpg", "webp"])
    def test_other_formats(self, camvid, suffix):
        image = Image.open("raw/train/a.png")
        image.save(f"raw/train/a.{suffix}", quality=95)
        Path("raw/train/a.png").unlink()
        prepare(CAMVID_DATA, "train")
        with Image.open(f"raw/train/a.{suffix}") as saved:
            assert np.array_equal(open_split(CAMVID_DATA, "train").image(0), np.asarray(saved.convert("RGB")))

    def test_palette_labels(self, camvid):
        label = Image.fromarray(camvid["a"][1])
        label.putpalette([value for colour in CAMVID.palette for value in colour] + [0, 0, 0])
        label.save("raw/trainannot/a.png")
        prepare(CAMVID_DATA, "train")
        assert np.array_equal(open_split(CAMVID_DATA, "train").labels(0), by_hand(camvid["a"][1], CAMVID))

    def test_the_environment_names_the_root(self, camvid, monkeypatch):
        Path("raw").rename("elsewhere")
        monkeypatch.setenv("CAMVID_ROOT", "elsewhere")
        prepare(CAMVID_DATA, "test")
        assert len(open_split(CAMVID_DATA, "test")) == 1

    def test_twice_gives_the_same_bytes(self, camvid):
        prepare(CAMVID_DATA, "train")
        before = [file.read_bytes() for file in CAMVID_DATA.prepared_files("train")]
        prepare(CAMVID_DATA, "train")
        assert [file.read_bytes() for file in CAMVID_DATA.prepared_files("train")] == before

    def test_synthetic_scenes_go_through_the_cityscapes_reader(self, project):
        data = load_study("toy").data
        prepare(data, "train")
        split = open_split(data, "train")
        assert split.sizes == ((64, 128),) * 4
        name = split.names[1]
        city = name.split("_")[0]
        with Image.open(f"data/raw/synthetic/train/gtFine/train/{city}/{name}_gtFine_labelIds.png") as label:
            assert np.array_equal(split.labels(1), by_hand(np.asarray(label), CITYSCAPES))


def turn(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(path).save(path, exif=exif)


def spoil_label(value):
    def spoil(root):
        label = np.array(Image.open(root / "trainannot/a.png"))
        label[2, 3] = value
        write(root / "trainannot/a.png", label)

    return spoil


BAD = {
    "missing root": (shutil.rmtree, "raw: no such folder; point CAMVID_ROOT"),
    "empty root": (
        lambda root: [shutil.rmtree(p) for p in root.iterdir()],
        "raw: holds no images and labels; expected",
    ),
    "image without label": (lambda root: (root / "trainannot/a.png").unlink(), "raw/train/a.png: has no label"),
    "label without image": (lambda root: (root / "test/c.png").unlink(), "raw/testannot/c.png: has no image"),
    "label out of range": (
        spoil_label(12),
        "raw/trainannot/a.png: label value 12 out of range; camvid has ids 0 to 11",
    ),
    "label far out of range": (spoil_label(200), "raw/trainannot/a.png: label value 200 out of range"),
    "another size": (
        lambda root: write(root / "trainannot/a.png", np.zeros((5, 10), np.uint8)),
        "raw/trainannot/a.png: label and image differ in size (10 x 5 and 10 x 6)",
    ),
    "colour label": (
        lambda root: write(root / "trainannot/a.png", np.zeros((*SIZE, 3), np.uint8)),
        "raw/trainannot/a.png: mode RGB; a label map has one channel",
    ),
    "truncated image": (lambda root: truncate(root / "train/a.png"), "raw/train/a.png: truncated or damaged"),
    "truncated label": (lambda root: truncate(root / "testannot/c.png"), "raw/testannot/c.png: truncated or damaged"),
    "no image at all": (lambda root: (root / "train/a.png").write_text("x"), "raw/train/a.png: cannot be read"),
    "image turned by its EXIF data": (
        lambda root: turn(root / "train/a.png", 3),
        "raw/train/a.png: turned or mirrored by its EXIF orientation 3, which label maps do not have",
    ),
    "a line break in a name": (
        lambda root: (root / "train/a.png").rename(root / "train/a\nb.png"),
        "raw/train/a\\nb.png: unfit name; rename it",
    ),
    "a name not in UTF-8": (
        lambda root: os.rename(root / "train/a.png", os.fsencode(root) + b"/train/a\xff.png"),
        "raw/train/a\\udcff.png: unfit name; rename it",
    ),
    "a header of 60 000 x 60 000 pixels": (
        lambda root: (root / "train/a.png").write_bytes(png(60_000, 60_000)),
        "raw/train/a.png: claims more than 134,217,728 pixels",
    ),
    "two images of one name": (
        lambda root: shutil.copy(root / "train/a.png", root / "train/a.jpg"),
        "raw/train/a.png: has the same name as raw/train/a.jpg; remove one",
    ),
}


class TestMeanwhile:
    """What other processes do while a split is packed."""

    @pytest.mark.parametrize("size", [SIZE, (11, 7)])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_file_that_is_replaced_is_named(self, camvid, monkeypatch, size, when):
        """Between the look at all files and the end of its own packing."""

        def read(path):
            pixels = None if when == "before" else read_stored_image(path)
            if path.name == "b.png":
                write(path.with_name("new.png"), scene(7, [1], size)[0])
                path.with_name("new.png").replace(path)
            return read_stored_image(path) if pixels is None else pixels

        monkeypatch.setattr(prepare_module, "read_stored_image", read)
        message = r"^raw/train/b\.png: it or its label map changed meanwhile; prepare split 'train' again$"
        with pytest.raises(InputError, match=message):
            prepare(CAMVID_DATA, "train")
        assert not list(paths.DATA.rglob("*.*"))

    def test_several_that_pack_the_same_split_at_once(self, camvid):
        """All of them end well, and who has opened the split reads on."""
        prepare(CAMVID_DATA, "train")
        split = open_split(CAMVID_DATA, "train")
        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=prepare_often, args=(30,)) for _ in range(4)]
        for process in processes:
            process.start()
        while any(process.is_alive() for process in processes):
            assert np.array_equal(split.image(1), camvid["b"][0])
        assert [process.exitcode for process in processes] == [0] * 4
        assert np.array_equal(open_split(CAMVID_DATA, "train").image(1), camvid["b"][0])
        assert [path.name for path in Path("data/camvid").iterdir()] == [Path(TRAIN).name]

    def test_packed_again_no_record_of_centroids_is_left(self, camvid):
        records = [paths.provenance_file("toy", "centroids", f"{TRAIN}/{tile}") for tile in (32, 64)]
        other = paths.provenance_file("toy", "centroids", f"{CAMVID_DATA.packed_name('test')}/32")
        for path in (*records, other):
            write_json(path, {})
        prepare(CAMVID_DATA, "train")
        assert [path.exists() for path in (*records, other)] == [False, False, True]


def prepare_often(times):
    for _ in range(times):
        prepare(CAMVID_DATA, "train")


@pytest.mark.parametrize("case", BAD)
class TestBadRawData:
    def test_is_named(self, camvid, case):
        spoil, message = BAD[case]
        spoil(Path("raw"))
        with pytest.raises(InputError) as raised:
            prepare_all(CAMVID_DATA)
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)
        packed = [split for split in CAMVID_DATA.splits if CAMVID_DATA.prepared_files(split)[0].exists()]
        assert packed in ([], ["train"])
        assert sum(path.is_dir() for path in paths.DATA.glob("*/*")) == len(packed)

    def test_leaves_earlier_data_as_they_were(self, camvid, case):
        prepare_all(CAMVID_DATA)
        files = [file for split in CAMVID_DATA.splits for file in CAMVID_DATA.prepared_files(split)]
        before = [file.read_bytes() for file in files]
        BAD[case][0](Path("raw"))
        with pytest.raises(InputError):
            prepare_all(CAMVID_DATA)
        assert [file.read_bytes() for file in files] == before
        assert sorted(path for path in paths.DATA.rglob("*") if path.is_file()) == sorted(files)


@pytest.mark.skipif("CAMVID_ROOT" not in os.environ, reason="CAMVID_ROOT names no CamVid folder")
def test_real_camvid(tmp_path, monkeypatch):
    root = os.environ["CAMVID_ROOT"]
    monkeypatch.chdir(tmp_path)
    data = DataConfig(dataset="camvid", root=root, train="val", evaluate="val")
    manifest = json.loads(prepare(data, "val").read_text())
    counts = manifest["class_pixels"]
    assert len(manifest["images"]) == 101
    assert all(counts.values())
    assert sum(counts.values()) + manifest["ignored_pixels"] == 101 * 360 * 480


def test_synthetic_scenes_go_through_the_bdd100k_reader(project):
    scenes = SyntheticConfig(height=32, width=64, images={"train": 2, "val": 1}, seed=3)
    data = DataConfig(dataset="synthetic_bdd100k", root="raw", train="train", evaluate="val", synthetic=scenes)
    prepare(data, "train")
    split = open_split(data, "train")
    drawn = synthetic.scene(scenes, "train", 1)
    assert np.array_equal(split.labels(1), by_hand(drawn.labels, CITYSCAPES))
    assert np.abs(split.image(1).astype(int) - drawn.image).mean() < 5  # of 255: the frames are JPEGs
