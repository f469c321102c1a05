"""Drafts of descriptions: folders in several layouts are understood, prepared as drafted, and misfits are named."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from fbnet.config.datasets import DataConfig
from fbnet.data.draft import write_draft
from fbnet.data.packed import open_split
from fbnet.data.prepare import prepare
from fbnet.errors import InputError
from fbnet.evaluation.score import score
from tests.own_data import COLOURS, blocks, make_streets, photo, save
from tests.test_cli import fbnet, refused


def drafted(folder: str = "streets", **options: str) -> dict:
    file, _ = write_draft(Path(folder), **options)
    return yaml.safe_load(file.read_text())


def prepared(name: str, split: str):
    data = DataConfig(dataset=name, train=split)
    prepare(data, split)
    return open_split(data, split)


def write_pairs(image: str, label: str, names: list[str], values: int = 3) -> None:
    """Write images and label maps of ids by patterns of their paths."""
    for index, name in enumerate(names):
        ids = blocks(index, values)
        save(Path(image.format(name=name)), photo(ids))
        save(Path(label.format(name=name)), ids)


def test_colours(project):
    ids = make_streets(Path("streets"))
    content = drafted()
    assert content["root"] == "streets"
    assert content["root_variable"] == "STREETS_ROOT"
    assert content["splits"] == {
        split: {"images": f"images/{split}/*.png", "labels": f"labels/{split}/*.png"} for split in ("train", "val")
    }
    assert "names" not in content
    found = {tuple(entry["rgb"][0]) for entry in content["classes"].values()}
    assert found == set(COLOURS.values())
    assert all([entry["colour"]] == entry["rgb"] for entry in content["classes"].values())
    order = [tuple(entry["rgb"][0]) for entry in content["classes"].values()]
    expected = np.array([order.index(colour) for colour in COLOURS.values()])
    packed = prepared("streets", "val")
    for index, name in enumerate(packed.names):
        assert np.array_equal(packed.labels(index), expected[ids[name]])


def test_shares_and_sizes_are_counted(project):
    ids = np.stack(list(make_streets(Path("streets")).values()))
    write_draft(Path("streets"))
    text = Path("params/datasets/streets.yaml").read_text()
    assert "9 pairs (9 of 96 x 64 pixels)" in text
    for index, colour in enumerate(COLOURS.values()):
        assert f"rgb: [{list(colour)}]}}  # {(ids == index).mean():.2%} of the pixels" in text
    rare = [colour for index, colour in enumerate(COLOURS.values()) if (ids == index).mean() < 1 / len(COLOURS)]
    content = yaml.safe_load(text)
    assert sorted(tuple(content["classes"][name]["colour"]) for name in content["foreground"]) == sorted(rare)


def test_the_folders_of_camvid(project):
    for split, number in (("train", 4), ("test", 2)):
        write_pairs(
            f"camvid2/{split}/{{name}}.png", f"camvid2/{split}annot/{{name}}.png", [f"f{i}" for i in range(number)], 12
        )
    content = drafted("camvid2")
    assert content["splits"] == {
        split: {"images": f"{split}/*.png", "labels": f"{split}annot/*.png"} for split in ("test", "train")
    }
    assert [entry["ids"] for entry in content["classes"].values()] == [[index] for index in range(12)]
    assert len({tuple(entry["colour"]) for entry in content["classes"].values()}) == 12
    assert len(prepared("camvid2", "test")) == 2


def test_the_folders_of_cityscapes(project):
    """Cities, several kinds of label maps beside each other, and endings of names."""
    for split, cities in (("train", ("aachen", "ulm")), ("val", ("bonn",))):
        for city in cities:
            names = [f"{city}_00000{index}_000019" for index in range(3)]
            folders = f"streets/leftImg8bit/{split}/{city}", f"streets/gtFine/{split}/{city}"
            write_pairs(
                f"{folders[0]}/{{name}}_leftImg8bit.png", f"{folders[1]}/{{name}}_gtFine_labelIds.png", names, 4
            )
            for name in names:
                ids = np.asarray(Image.open(f"{folders[1]}/{name}_gtFine_labelIds.png"))
                save(Path(f"{folders[1]}/{name}_gtFine_color.png"), np.stack([ids] * 3, axis=-1))
    content = drafted()
    assert content["splits"]["train"] == {
        "images": "leftImg8bit/train/**/*_leftImg8bit.png",
        "labels": "gtFine/train/**/*_gtFine_labelIds.png",
    }
    assert [entry["ids"] for entry in content["classes"].values()] == [[0], [1], [2], [3]]
    assert prepared("streets", "train").names[0] == "aachen_000000_000019"
    assert (
        "gtFine/train/**/*_gtFine_color.png: 6 label maps are left out"
        in Path("params/datasets/streets.yaml").read_text()
    )


def test_images_and_label_maps_side_by_side(project):
    write_pairs("streets/{name}.png", "streets/{name}_L.png", [f"0001TP_00{index}" for index in range(6)])
    drafted()
    assert prepared("streets", "val").names == ("0001TP_000", "0001TP_005")


def test_without_splits_every_fifth_image_is_held_out(project):
    names = [f"photo_{word}" for word in ("kerb", "lamp", "mast", "oak", "pond", "quay", "road")]
    write_pairs("streets/pictures/{name}.png", "streets/masks/{name}.png", names)
    content = drafted()
    assert content["splits"]["val"]["list"] == "params/datasets/streets/val.txt"
    assert prepared("streets", "val").names == ("photo_kerb", "photo_quay")
    assert prepared("streets", "train").names == ("photo_lamp", "photo_mast", "photo_oak", "photo_pond", "photo_road")


def test_void_is_ignored(project):
    ids = np.where(blocks(0, 3) == 2, 255, blocks(0, 3)).astype(np.uint8)
    for split in ("train", "val"):
        save(Path(f"streets/images/{split}/a.png"), photo(ids))
        save(Path(f"streets/labels/{split}/a.png"), ids)
    content = drafted()
    assert content["ignore"] == {"ids": [255]}
    assert [entry["ids"] for entry in content["classes"].values()] == [[0], [1]]


def test_the_colours_of_a_palette(project):
    image = Image.fromarray(blocks(0, 3), "L")
    for split in ("train", "val"):
        save(Path(f"streets/images/{split}/a.png"), photo(blocks(0, 3)))
        path = save(Path(f"streets/labels/{split}/a.png"), blocks(0, 3))
        image.putpalette([9, 9, 9, 80, 0, 0, 0, 70, 0] + [0] * 759)
        image.save(path)
    entries = drafted()["classes"].values()
    assert [(entry["ids"], entry["colour"]) for entry in entries] == [
        ([0], [9] * 3),
        ([1], [80, 0, 0]),
        ([2], [0, 70, 0]),
    ]


def test_what_does_not_fit_is_named(project):
    make_streets(Path("streets"))
    save(Path("streets/images/train/alone.png"), photo(blocks(3, 5)))
    save(Path("streets/labels/val/val_001.png"), np.zeros((8, 8, 3), np.uint8))
    _, found = write_draft(Path("streets"))
    assert found.misfits[:2] == [
        "images/train/*.png: 1 files have no label map",
        "streets/labels/val/val_001.png: 8 x 8 pixels, but its image has 96 x 64",
    ]
    assert "streets/images/train/alone.png: has no label" in found.misfits[2]
    text = Path("params/datasets/streets.yaml").read_text()
    assert all(f"#   {line}" in text for line in found.misfits)


def test_the_command(project):
    make_streets(Path("My Streets"))
    done = fbnet("init-dataset", "My Streets")
    assert done.returncode == 0
    assert "wrote params/datasets/my_streets.yaml: " in done.stderr
    assert "is taken; give another --name" in refused(fbnet("init-dataset", "My Streets"))
    assert fbnet("init-dataset", "My Streets", "--name", "other").returncode == 0


def smooth(folder: Path) -> None:
    """Label maps of many colours, as those that were resized."""
    for path in folder.rglob("labels/*/*.png"):
        shades = np.arange(64 * 24).reshape(64, 24).repeat(4, axis=1)
        save(path, np.stack([shades % 256, shades // 256, 0 * shades], axis=-1).astype(np.uint8))


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda folder: None, {"name": "camvid"}, "params/datasets/camvid.yaml: camvid is taken"),
        (lambda folder: None, {"name": "weights"}, "params/datasets/weights.yaml: weights is taken"),
        (lambda folder: None, {"name": "a/b"}, "'a/b': must be of letters"),
        (lambda folder: folder.rename("away"), {}, "streets: no such folder"),
        (lambda folder: (folder / "labels").rename("away"), {}, "streets: no image has a label map (9 pictures"),
        (lambda folder: [path.unlink() for path in folder.rglob("*.png")], {}, "streets: holds no pictures"),
        (smooth, {}, "more than 256 colours"),
    ],
)
def test_refused(project, spoil, options, message):
    make_streets(Path("streets"))
    spoil(Path("streets"))
    with pytest.raises(InputError) as raised:
        write_draft(Path("streets"), **options)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(Path("params").glob("datasets/*.yaml"))


def test_drafted_data_are_scored(project):
    """Perfect predictions, in the label maps' own colours, under the images' names."""
    make_streets(Path("streets"))
    write_draft(Path("streets"))
    result = score("streets", Path("streets/labels/val"), Path("streets/labels/val"))
    assert (result["images"], result["miou"]) == (3, 1)
