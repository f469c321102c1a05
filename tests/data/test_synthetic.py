"""Synthetic scenes: deterministic, complete, correctly labelled, and written as a whole or not at all."""

import hashlib
import io
import json
import shutil
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fbnet.config.datasets import DataConfig, SyntheticConfig
from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX
from fbnet.config.registry import DATASETS
from fbnet.data.packed import open_split
from fbnet.data.readers.mapillary_labels import V1_2, V2_0
from fbnet.data.synthetic import write as synthetic
from fbnet.data.synthetic.layouts import CITIES, coarse
from fbnet.errors import InputError
from tests.conftest import prepare_all

SMALL = SyntheticConfig(height=32, width=64, images={"train": 4, "val": 3})
MEDIUM = SyntheticConfig(height=128, width=256, images={"train": 16, "val": 1})
# The ids of Cityscapes, independent of the code under test.
RAW_IDS = {
    **{"ego vehicle": 1, "static": 4, "dynamic": 5, "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13},
    **{"pole": 17, "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24},
    **{"rider": 25, "car": 26, "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33},
}


@pytest.fixture(scope="module")
def scenes():
    return [synthetic.scene(MEDIUM, "train", index) for index in range(16)]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def write_scenes(folder: Path, config: SyntheticConfig, dataset: str = "synthetic", split: str = "train") -> None:
    with synthetic.drawn_scenes(folder, config, split, dataset):
        pass


def fail_at(monkeypatch, index: int) -> None:
    """Make drawing fail at the first scene of this index."""
    draw = synthetic.draw_scene

    def failing(height, width, rng, number):
        if number == index:
            raise KeyboardInterrupt
        return draw(height, width, rng, number)

    monkeypatch.setattr(synthetic, "draw_scene", failing)


def test_same_arguments_give_the_same_scene(scenes):
    again = synthetic.scene(MEDIUM, "train", 3)
    assert again.image.tobytes() == scenes[3].image.tobytes()
    assert again.labels.tobytes() == scenes[3].labels.tobytes()
    assert again.polygons == scenes[3].polygons


@pytest.mark.parametrize(
    ("config", "split", "index"),
    [
        (MEDIUM.model_copy(update={"seed": 1}), "train", 3),
        (MEDIUM, "val", 3),
        (MEDIUM, "test", 3),
        (MEDIUM, "train_extra", 3),
        (MEDIUM, "training", 3),
        (MEDIUM, "validation", 3),
        (MEDIUM, "train", 63),
    ],
    ids=["seed", "val", "test", "train_extra", "training", "validation", "index"],
)
def test_other_arguments_give_another_scene(scenes, config, split, index):
    other = synthetic.scene(config, split, index)
    assert np.mean(other.labels != scenes[3].labels) > 0.02
    assert np.mean(other.image != scenes[3].image) > 0.5


def test_scenes_never_change():
    """Networks that were trained on them stay reproducible."""
    digest = hashlib.sha256()
    config = SyntheticConfig(height=64, width=128, images={"train": 3}, seed=4)
    for split, images in (("train", 3), ("val", 2)):
        for index in range(images):
            drawn = synthetic.scene(config, split, index)
            digest.update(drawn.image.tobytes())
            digest.update(drawn.labels.tobytes())
    # of the first version
    assert digest.hexdigest() == "7927ac2613cfe0cbee3ea68694fcc80eb82df2bd283a4105c371f394354b8fa8"


def test_sixteen_scenes_hold_every_class(scenes):
    for name, raw in zip(CITYSCAPES.classes, sorted(set(RAW_IDS.values()) - {1, 4, 5}), strict=True):
        counts = np.array([np.count_nonzero(drawn.labels == raw) for drawn in scenes])
        assert np.count_nonzero(counts >= 20) >= 3, name


def test_pixel_shares_are_those_of_a_street(scenes):
    labels = np.stack([drawn.labels for drawn in scenes])
    share = {name: np.mean(labels == raw) for name, raw in RAW_IDS.items()}
    assert 0.2 < share["road"] < 0.5
    assert 0.1 < share["building"] < 0.45
    assert 0.02 < share["sky"] < 0.25
    assert share["ego vehicle"] + share["static"] + share["dynamic"] < 0.06
    for thin in ("pole", "traffic light", "traffic sign", "rider"):
        assert 0.0005 < share[thin] < 0.03, thin


def test_broad_structure_is_that_of_a_street(scenes):
    for drawn in scenes:
        assert np.mean(np.isin(drawn.labels[100:, 96:160], (1, 7))) > 0.5, "the road lies below"
        assert not np.isin(drawn.labels[:32], (7, 8, 22)).any(), "no ground above the horizon"
        assert not (drawn.labels[96:] == 23).any(), "no sky below the horizon"


def test_walls_look_like_buildings(scenes):
    """Camouflage: on average, walls are nearer in colour to the buildings than cars or signs are."""

    def distance(raw: int) -> float:
        gaps = [
            np.linalg.norm(drawn.image[drawn.labels == raw].mean(0) - drawn.image[drawn.labels == 11].mean(0))
            for drawn in scenes
            if (drawn.labels == raw).sum() > 50
        ]
        return np.mean(gaps)

    assert distance(12) < min(distance(23), distance(20), distance(26))


@pytest.mark.parametrize("size", [(32, 64), (96, 192), (97, 203), (64, 65)])
def test_any_size(size):
    drawn = synthetic.scene(SMALL.model_copy(update={"height": size[0], "width": size[1]}), "val", 1)
    assert drawn.image.shape == (*size, 3)
    assert drawn.labels.shape == size
    assert drawn.image.dtype == drawn.labels.dtype == np.uint8
    assert (drawn.labels == RAW_IDS["pole"]).any(), "poles are drawn at every size"
    assert set(np.unique(drawn.labels)) <= set(RAW_IDS.values())
    assert drawn.image.std() > 15


def test_sizes_show_the_same_scene(scenes):
    large = synthetic.scene(MEDIUM.model_copy(update={"height": 256, "width": 512}), "train", 5)
    assert np.mean(large.labels[::2, ::2] == scenes[5].labels) > 0.93


def test_every_raw_id_is_known_to_the_label_set(scenes):
    for drawn in scenes:
        ids = set(np.unique(drawn.labels).tolist())
        assert ids <= set(CITYSCAPES.raw_ids)
        assert {CITYSCAPES.raw_ids[raw] for raw in ids & {1, 4, 5}} <= {IGNORE_INDEX}


def test_polygons_are_the_label_map(tmp_path):
    write_scenes(tmp_path / "data", SMALL)
    files = sorted((tmp_path / "data" / "gtFine").rglob("*_polygons.json"))
    assert len(files) == 4
    for file in files:
        content = json.loads(file.read_text())
        painted = Image.new("L", (content["imgWidth"], content["imgHeight"]))
        for labelled in content["objects"]:
            corners = [tuple(corner) for corner in labelled["polygon"]]
            ImageDraw.Draw(painted).polygon(corners, fill=RAW_IDS[labelled["label"]])
        labels = Image.open(str(file).replace("polygons.json", "labelIds.png"))
        assert np.array_equal(np.asarray(painted), np.asarray(labels))


@pytest.mark.parametrize(
    ("split", "frames"),
    [
        ("train", [("aldermoor", 0), ("aldermoor", 1), ("brennick", 0), ("cortavel", 0)]),
        ("val", [("dunhalde", 0), ("dunhalde", 1), ("ellwick", 0)]),
    ],
)
def test_folder_layout(tmp_path, split, frames):
    write_scenes(tmp_path / "data", SMALL, split=split)
    expected = {"synthetic.json"}
    for city, sequence in frames:
        stem = f"{split}/{city}/{city}_{sequence:06d}_000019"
        expected |= {f"leftImg8bit/{stem}_leftImg8bit.png"}
        expected |= {f"gtFine/{stem}_gtFine_labelIds.png", f"gtFine/{stem}_gtFine_polygons.json"}
    assert set(contents(tmp_path / "data")) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert json.loads((tmp_path / "data" / "synthetic.json").read_text())["height"] == 32


def test_writing_again_gives_the_same_bytes(tmp_path):
    write_scenes(tmp_path / "data", SMALL)
    first = contents(tmp_path / "data")
    write_scenes(tmp_path / "data", SMALL)
    assert contents(tmp_path / "data") == first


def test_former_scenes_are_replaced(tmp_path):
    write_scenes(tmp_path / "data", SMALL)
    write_scenes(tmp_path / "data", SMALL.model_copy(update={"images": {"train": 1, "val": 1}, "seed": 5}))
    assert len(contents(tmp_path / "data")) == 1 + 3
    assert json.loads((tmp_path / "data" / "synthetic.json").read_text())["seed"] == 5


def test_another_split_is_drawn_the_same_whatever_the_numbers(tmp_path):
    """The scenes of a split depend on no other split."""
    write_scenes(tmp_path / "one", SMALL, split="val")
    write_scenes(tmp_path / "two", SMALL.model_copy(update={"images": {"train": 9, "val": 3}}), split="val")
    one, two = (contents(tmp_path / name) for name in ("one", "two"))
    assert [name for name in one if one[name] != two.get(name)] == ["synthetic.json"]


def test_a_foreign_folder_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.tex").write_text("precious")
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"data: .*move it away") as error:
        write_scenes(tmp_path / "data", SMALL)
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == before


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "data").write_text("precious")
    with pytest.raises(InputError, match="data: "):
        write_scenes(tmp_path / "data", SMALL)
    assert (tmp_path / "data").read_text() == "precious"


def test_interrupted_drawing_leaves_the_former_scenes(tmp_path, monkeypatch):
    write_scenes(tmp_path / "data", SMALL)
    before = contents(tmp_path)
    fail_at(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path / "data", SMALL.model_copy(update={"seed": 9}))
    assert contents(tmp_path) == before


def test_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    fail_at(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path / "data", SMALL)
    assert list(tmp_path.iterdir()) == []


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
