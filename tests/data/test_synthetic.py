"""The synthetic scenes: deterministic, complete, correctly labelled, and written as a whole or not at all."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fbnet.data import synthetic
from fbnet.data.source import SyntheticConfig
from fbnet.data.specs import CITYSCAPES, IGNORE_INDEX
from fbnet.errors import InputError

SMALL = SyntheticConfig(height=32, width=64, images={"train": 4, "val": 3})
MEDIUM = SyntheticConfig(height=128, width=256, images={"train": 16, "val": 1})
# The ids of Cityscapes, written out again rather than taken from the code under test.
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
    [(replace(MEDIUM, seed=1), "train", 3), (MEDIUM, "val", 3), (MEDIUM, "train", 63)],
    ids=["seed", "split", "index"],
)
def test_other_arguments_give_another_scene(scenes, config, split, index):
    other = synthetic.scene(config, split, index)
    assert np.mean(other.labels != scenes[3].labels) > 0.02
    assert np.mean(other.image != scenes[3].image) > 0.5


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
    """The camouflage: on average, walls are nearer in colour to the buildings than cars or signs are."""

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
    drawn = synthetic.scene(replace(SMALL, height=size[0], width=size[1]), "val", 1)
    assert drawn.image.shape == (*size, 3)
    assert drawn.labels.shape == size
    assert drawn.image.dtype == drawn.labels.dtype == np.uint8
    assert (drawn.labels == RAW_IDS["pole"]).any(), "poles are drawn at every size"
    assert set(np.unique(drawn.labels)) <= set(RAW_IDS.values())
    assert drawn.image.std() > 15


def test_sizes_show_the_same_scene(scenes):
    large = synthetic.scene(replace(MEDIUM, height=256, width=512), "train", 5)
    assert np.mean(large.labels[::2, ::2] == scenes[5].labels) > 0.93


def test_every_raw_id_is_known_to_the_label_set(scenes):
    for drawn in scenes:
        ids = set(np.unique(drawn.labels).tolist())
        assert ids <= set(CITYSCAPES.raw_ids)
        assert {CITYSCAPES.raw_ids[raw] for raw in ids & {1, 4, 5}} <= {IGNORE_INDEX}


def test_polygons_are_the_label_map(tmp_path):
    synthetic.write_scenes(tmp_path / "data", SMALL)
    files = sorted((tmp_path / "data" / "gtFine").rglob("*_polygons.json"))
    assert len(files) == 7
    for file in files:
        content = json.loads(file.read_text())
        painted = Image.new("L", (content["imgWidth"], content["imgHeight"]))
        for thing in content["objects"]:
            corners = [tuple(corner) for corner in thing["polygon"]]
            ImageDraw.Draw(painted).polygon(corners, fill=RAW_IDS[thing["label"]])
        labels = Image.open(str(file).replace("polygons.json", "labelIds.png"))
        assert np.array_equal(np.asarray(painted), np.asarray(labels))


def test_folder_layout(tmp_path):
    synthetic.write_scenes(tmp_path / "data", SMALL)
    names = set(contents(tmp_path / "data"))
    stems = [("train", city, sequence) for city, sequence in [("aldermoor", 0), ("aldermoor", 1)]]
    stems += [("train", "brennick", 0), ("train", "cortavel", 0), ("val", "dunhalde", 0), ("val", "dunhalde", 1)]
    expected = {"synthetic.json"}
    for split, city, sequence in [*stems, ("val", "ellwick", 0)]:
        stem = f"{split}/{city}/{city}_{sequence:06d}_000019"
        expected |= {f"leftImg8bit/{stem}_leftImg8bit.png"}
        expected |= {f"gtFine/{stem}_gtFine_labelIds.png", f"gtFine/{stem}_gtFine_polygons.json"}
    assert names == expected
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert json.loads((tmp_path / "data" / "synthetic.json").read_text())["height"] == 32


def test_writing_again_gives_the_same_bytes(tmp_path):
    synthetic.write_scenes(tmp_path / "data", SMALL)
    first = contents(tmp_path / "data")
    synthetic.write_scenes(tmp_path / "data", SMALL)
    assert contents(tmp_path / "data") == first


def test_a_former_data_set_is_replaced(tmp_path):
    synthetic.write_scenes(tmp_path / "data", SMALL)
    synthetic.write_scenes(tmp_path / "data", replace(SMALL, train=1, val=1, seed=5))
    assert len(contents(tmp_path / "data")) == 1 + 2 * 3
    assert json.loads((tmp_path / "data" / "synthetic.json").read_text())["seed"] == 5


@pytest.mark.parametrize("name", ["data", "data.part", "data.former"])
def test_a_foreign_folder_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.tex").write_text("precious")
    before = contents(tmp_path)
    with pytest.raises(InputError, match=rf"{name}: .*move it away") as error:
        synthetic.write_scenes(tmp_path / "data", SMALL)
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == before


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "data").write_text("precious")
    with pytest.raises(InputError, match="data: "):
        synthetic.write_scenes(tmp_path / "data", SMALL)
    assert (tmp_path / "data").read_text() == "precious"


def test_an_interrupted_write_leaves_the_former_data_set(tmp_path, monkeypatch):
    synthetic.write_scenes(tmp_path / "data", SMALL)
    before = contents(tmp_path / "data")
    with monkeypatch.context() as patched:
        fail_at(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            synthetic.write_scenes(tmp_path / "data", replace(SMALL, seed=9))
    assert contents(tmp_path / "data") == before
    synthetic.write_scenes(tmp_path / "data", replace(SMALL, seed=9))
    assert contents(tmp_path / "data") != before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_interrupted_first_write_leaves_nothing_in_place(tmp_path, monkeypatch):
    fail_at(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        synthetic.write_scenes(tmp_path / "data", SMALL)
    assert not (tmp_path / "data").exists()
