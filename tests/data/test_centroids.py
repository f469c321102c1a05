"""Centroids by hand and pixel by pixel; what cannot be has a remedy."""

import numpy as np
import pytest

from fbnet import paths
from fbnet.config import load_study
from fbnet.data.centroids import open_centroids, tile_centroids, write_centroids
from fbnet.data.pack import open_split, prepare
from fbnet.errors import InputError


def brute_force(labels, tile, classes):
    places = {}
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            train_id = int(labels[row, column])
            if train_id < classes:
                places.setdefault((row // tile, column // tile, train_id), []).append((row, column))
    return [(key[2], *np.mean(places[key], axis=0)) for key in sorted(places)]


class TestTileCentroids:
    def test_by_hand(self):
        labels = np.full((4, 6), 255, np.uint8)
        labels[0, 0] = labels[2, 1] = 3  # the first tile's
        labels[1, 5] = 3  # the last, narrow one's
        labels[3, 2] = 0
        assert tile_centroids(labels, 4, 5) == [(0, 3.0, 2.0), (3, 1.0, 0.5), (3, 1.0, 5.0)]

    @pytest.mark.parametrize("tile", [1, 3, 8, 16])
    @pytest.mark.parametrize("size", [(8, 8), (16, 32), (11, 25)])
    def test_equals_brute_force(self, tile, size):
        labels = np.random.default_rng(tile).choice([0, 1, 2, 4, 255], size).astype(np.uint8)
        ours, theirs = tile_centroids(labels, tile, 5), brute_force(labels, tile, 5)
        assert [entry[0] for entry in ours] == [entry[0] for entry in theirs]
        assert np.allclose([entry[1:] for entry in ours], [entry[1:] for entry in theirs], rtol=0, atol=1e-9)


@pytest.fixture
def study(project):
    project.write_study(training__class_uniform={"tile": {"cityscapes": 64}})
    study = load_study("toy")
    prepare(study.data)
    return study


class TestFiles:
    def test_all_images_and_their_classes(self, study):
        split = open_split(study.data, "train")
        assert write_centroids(study, "cityscapes") == paths.centroids_file("synthetic", "train", 64)
        centroids = open_centroids(study, "cityscapes", split)
        for index in range(len(split)):
            of_image = centroids[centroids["image"] == index]
            expected = brute_force(split.labels(index), 64, 19)
            assert of_image["train_id"].tolist() == [entry[0] for entry in expected]
            # float32 holds places below 128 to 2 ** -17
            assert np.allclose(of_image["row"], [entry[1] for entry in expected], rtol=0, atol=1e-4)
            assert np.allclose(of_image["column"], [entry[2] for entry in expected], rtol=0, atol=1e-4)

    def test_a_tile_larger_than_an_image(self, project, study):
        project.write_study(training__class_uniform={"tile": {"cityscapes": 65}})
        with pytest.raises(InputError) as raised:
            write_centroids(load_study("toy"), "cityscapes")
        assert str(raised.value) == (
            "params/studies/toy.yaml: training.class_uniform.tile.cityscapes: 65 is larger than an image of 64 x 128 "
            "in split 'train'; take at most 64"
        )

    def test_of_another_tile_are_not_there(self, project, study):
        write_centroids(study, "cityscapes")
        project.write_study(training__class_uniform={"tile": {"cityscapes": 32}})
        other = load_study("toy")
        with pytest.raises(InputError, match=r"train_centroids_32\.npy: not there; .*fbnet centroids --study toy"):
            open_centroids(other, "cityscapes", open_split(other.data, "train"))

    def test_data_prepared_anew_have_none(self, study):
        write_centroids(study, "cityscapes")
        prepare(study.data)
        with pytest.raises(InputError, match="not there"):
            open_centroids(study, "cityscapes", open_split(study.data, "train"))

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda path: path.write_bytes(path.read_bytes()[:-5]), "cannot be read"),
            (lambda path: path.write_bytes(b""), "cannot be read"),
            (lambda path: np.save(path, np.zeros(3)), "does not fit"),
            (lambda path: np.save(path, np.load(path)[:0]), "does not fit"),
        ],
    )
    def test_damaged(self, study, damage, message):
        path = write_centroids(study, "cityscapes")
        damage(path)
        with pytest.raises(InputError, match=f"train_centroids_64.npy: {message}.*fbnet centroids --study toy"):
            open_centroids(study, "cityscapes", open_split(study.data, "train"))

    def test_of_more_images_than_there_are(self, study):
        path = write_centroids(study, "cityscapes")
        centroids = np.load(path)
        centroids["image"][-1] = 4
        np.save(path, centroids)
        with pytest.raises(InputError, match="does not fit"):
            open_centroids(study, "cityscapes", open_split(study.data, "train"))
