"""Drawn scenes: deterministic, complete and correctly labelled."""

import hashlib

import numpy as np
import pytest

from fbnet.config.datasets import SyntheticConfig
from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX
from fbnet.data.synthetic import write as synthetic
from tests.data.synthetic.scenes import MEDIUM, RAW_IDS, SMALL


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
