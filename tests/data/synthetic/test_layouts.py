"""Layouts of the drawn data sets: what is written is what the readers find."""

import io
import json
import shutil
from pkgutil import resolve_name

import numpy as np
import pytest
from PIL import Image

from fbnet.config.datasets import DataConfig, SyntheticConfig
from fbnet.config.labels import CITYSCAPES
from fbnet.config.registry import DATASETS
from fbnet.data.packed import open_split
from fbnet.data.readers.mapillary_labels import V1_2, V2_0
from fbnet.data.synthetic import write as synthetic
from fbnet.data.synthetic.layouts import CITIES, coarse
from tests.conftest import prepare_all
from tests.data.synthetic.scenes import RAW_IDS, contents, write_scenes

USES = {
    "synthetic": {"train": "train", "evaluate": "val"},
    "synthetic_test": {"predict": "test"},
    "synthetic_coarse": {"train": "train_extra"},
    "synthetic_bdd100k": {"train": "train", "evaluate": "val"},
    "synthetic_mapillary": {"train": "training", "evaluate": "validation"},
}


def data_set(dataset, height=64, width=128, images=4):
    scenes = SyntheticConfig(
        height=height, width=width, images=dict.fromkeys(DATASETS[dataset].scene_splits, images), seed=3
    )
    return DataConfig(dataset=dataset, root="raw", synthetic=scenes, **USES[dataset])


def train_ids(raw):
    return np.vectorize(CITYSCAPES.raw_ids.get)(raw)


def test_every_layout_has_its_splits():
    drawn = {name: entry for name, entry in DATASETS.items() if entry.layout}
    assert set(drawn) == set(USES)
    assert {split for entry in drawn.values() for split in entry.scene_splits} == set(synthetic.SPLITS)


@pytest.mark.parametrize("dataset", USES)
class TestThroughTheReaders:
    """Each data set is drawn, found and packed like the real one."""

    def test_images_and_labels_are_the_scenes(self, project, dataset):
        data = data_set(dataset)
        prepare_all(data)
        for name in data.splits:
            split = open_split(data, name)
            assert len(split) == 4
            for index in range(4):
                number = scene_number(name, split.names[index], index) if "bdd" not in dataset else index
                drawn = synthetic.scene(
                    synthetic.sized(data.synthetic, resolve_name(DATASETS[dataset].layout).sizes, number), name, number
                )
                assert split.sizes[index] == drawn.labels.shape
                lossy = dataset in ("synthetic_bdd100k", "synthetic_mapillary")
                assert np.array_equal(split.image(index), through_jpeg(drawn.image) if lossy else drawn.image)
                if dataset == "synthetic_coarse":
                    assert np.array_equal(split.labels(index), train_ids(coarse(drawn.labels)))
                elif data.labelled:
                    assert np.array_equal(split.labels(index), train_ids(drawn.labels))

    def test_writing_again_gives_the_same_bytes(self, tmp_path, dataset):
        config, split = data_set(dataset, 32, 64, 2).synthetic, DATASETS[dataset].scene_splits[0]
        write_scenes(tmp_path / "data", config, dataset, split)
        first = contents(tmp_path / "data")
        write_scenes(tmp_path / "data", config, dataset, split)
        assert contents(tmp_path / "data") == first


def through_jpeg(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95)
    return np.asarray(Image.open(file))


def scene_number(split, name, index):
    """Number of the scene of an image: the layouts of Cityscapes distribute scenes over the cities in turn."""
    if split not in CITIES:
        return index
    city, sequence, _ = name.split("_")
    return int(sequence) * len(CITIES[split]) + CITIES[split].index(city)


class TestTestSplit:
    def test_labels_are_written_for_the_official_evaluator(self, tmp_path):
        config = data_set("synthetic_test").synthetic
        write_scenes(tmp_path / "data", config, "synthetic_test", "test")
        stem = "test/gellmar/gellmar_000001_000019"
        names = contents(tmp_path / "data")
        assert f"leftImg8bit/{stem}_leftImg8bit.png" in names
        with Image.open(tmp_path / "data" / f"gtFine/{stem}_gtFine_labelIds.png") as labels:
            assert np.array_equal(np.asarray(labels), synthetic.scene(config, "test", 3).labels)


class TestCoarse:
    def test_by_hand(self):
        labels = np.full((8, 9), 7, np.uint8)
        labels[:, 5:] = 11
        labels[4, 1] = 17  # too thin; its surroundings are dropped too
        expected = labels.copy()
        expected[:, 4:6] = 0
        expected[3:6, 0:3] = 0
        assert np.array_equal(coarse(labels), expected)

    def test_margins_grow_with_the_image(self):
        labels = np.full((512, 40), 7, np.uint8)
        labels[:, 20:] = 11
        assert (coarse(labels)[:, :16] == 7).all()
        assert (coarse(labels)[:, 16:24] == 0).all()
        assert (coarse(labels)[:, 24:] == 11).all()

    def test_never_another_class(self, scenes):
        for drawn in scenes:
            left = coarse(drawn.labels)
            assert np.isin(left, np.unique(drawn.labels)).sum() + (left == 0).sum() == left.size
            assert np.array_equal(left[left > 0], drawn.labels[left > 0])
            assert 0.05 < np.mean(left == 0) < 0.5

    def test_rare_classes_remain(self, scenes):
        """Coarse images exist for the sake of these classes."""
        left = np.stack([coarse(drawn.labels) for drawn in scenes])
        for name in ("wall", "fence", "rider", "truck", "bus", "train", "motorcycle"):
            assert (left == RAW_IDS[name]).any(axis=(1, 2)).sum() >= 3, name


class TestMapillaryLayout:
    @pytest.fixture
    def root(self, tmp_path):
        config = data_set("synthetic_mapillary").synthetic
        write_scenes(tmp_path / "data", config, "synthetic_mapillary", "training")
        return tmp_path / "data"

    def test_sizes_differ(self, root):
        sizes = []
        for path in sorted((root / "training/images").iterdir()):
            with Image.open(path) as image:
                assert image.format == "JPEG"
                sizes.append(image.size)
        assert sizes == [(128, 64), (96, 64), (128, 56), (128, 64)]

    @pytest.mark.parametrize(("version", "names"), [("v1.2", V1_2), ("v2.0", V2_0)])
    def test_ids_are_those_of_the_configuration_file(self, root, version, names):
        listed = [label["name"] for label in json.loads((root / f"config_{version}.json").read_text())["labels"]]
        assert tuple(listed) == names
        found = set()
        for path in (root / "training" / version / "labels").iterdir():
            found |= {listed[position] for position in np.unique(np.asarray(Image.open(path)))}
        assert {"construction--flat--road", "object--support--pole", "object--vehicle--car"} <= found
        assert ("human--person--individual" in found) == (version == "v2.0")
        assert ("human--person" in found) == (version == "v1.2")

    def test_both_versions_are_the_same_classes(self, root, project):
        data = data_set("synthetic_mapillary").model_copy(
            update={"dataset": "mapillary", "synthetic": None, "root": str(root), "evaluate": None}
        )
        prepare_all(data)
        first = [open_split(data, "training").labels(index).copy() for index in range(4)]
        shutil.rmtree(root / "training/v1.2")
        prepare_all(data)
        split = open_split(data, "training")
        assert all(np.array_equal(split.labels(index), first[index]) for index in range(4))


@pytest.mark.parametrize("dataset", USES)
def test_the_smallest_scenes_have_a_layout(tmp_path, dataset):
    write_scenes(tmp_path / "data", data_set(dataset, 32, 64, 3).synthetic, dataset, DATASETS[dataset].scene_splits[0])
    assert len(contents(tmp_path / "data")) > 3
