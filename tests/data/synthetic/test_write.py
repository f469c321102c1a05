"""Writing of drawn scenes: correctly labelled, and as a whole or not at all."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fbnet.data.synthetic import write as synthetic
from fbnet.errors import InputError
from tests.data.synthetic.scenes import RAW_IDS, SMALL, contents, write_scenes


def fail_at(monkeypatch, index: int) -> None:
    """Make drawing fail at the first scene of this index."""
    draw = synthetic.draw_scene

    def failing(height, width, rng, number):
        if number == index:
            raise KeyboardInterrupt
        return draw(height, width, rng, number)

    monkeypatch.setattr(synthetic, "draw_scene", failing)


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
