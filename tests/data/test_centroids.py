"""Centroids by hand and pixel by pixel, and their refusals."""

import numpy as np
import pytest

from fbnet import paths
from fbnet.config.datasets import DataConfig, SyntheticConfig
from fbnet.data.centroids import DTYPE, open_centroids, pool_centroids, tile_centroids, write_centroids
from fbnet.data.packed import concat, open_split
from fbnet.errors import InputError
from tests.conftest import prepare_all

SCENES = SyntheticConfig(height=64, width=128, images={"train": 4, "val": 2})
DATA = DataConfig(dataset="synthetic", root="raw", train="train", evaluate="val", synthetic=SCENES)
TRAIN = DATA.packed_name("train")


def brute_force(labels, tile, classes):
    pixels = {}
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            train_id = int(labels[row, column])
            if train_id < classes:
                pixels.setdefault((row // tile, column // tile, train_id), []).append((row, column))
    return [(key[2], *np.mean(pixels[key], axis=0)) for key in sorted(pixels)]


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
def split(project):
    """Prepared training split."""
    prepare_all(DATA)
    return open_split(DATA, "train")


class TestFiles:
    @pytest.mark.parametrize("name", ["train", "val"])
    def test_all_images_and_their_classes(self, split, name):
        split = open_split(DATA, name)
        assert write_centroids(DATA, name, 64) == paths.centroids_file(DATA.packed_name(name), 64)
        centroids = open_centroids(DATA, name, 64, split)
        assert set(centroids["image"]) == set(range(len(split)))
        for index in range(len(split)):
            of_image = centroids[centroids["image"] == index]
            expected = brute_force(split.labels(index), 64, 19)
            assert of_image["train_id"].tolist() == [entry[0] for entry in expected]
            # float32 holds positions below 128 to 2 ** -17
            assert np.allclose(of_image["row"], [entry[1] for entry in expected], rtol=0, atol=1e-4)
            assert np.allclose(of_image["column"], [entry[2] for entry in expected], rtol=0, atol=1e-4)

    def test_a_tile_larger_than_an_image(self, split):
        with pytest.raises(InputError) as raised:
            write_centroids(DATA, "train", 65)
        assert str(raised.value) == (
            f"data/{TRAIN}/centroids_65.npy: a tile of 65 pixels is larger than an image of 64 x 128 in split "
            "'train'; take at most 64"
        )

    def test_the_smallest_of_several_sizes_counts(self, project):
        scenes = SyntheticConfig(height=64, width=128, images={"training": 3})
        data = DataConfig(dataset="synthetic_mapillary", root="raw", train="training", synthetic=scenes)
        prepare_all(data)
        with pytest.raises(InputError, match="larger than an image of 56 x 128 in split 'training'; take at most 56"):
            write_centroids(data, "training", 60)

    def test_a_split_without_labels(self, project):
        scenes = SyntheticConfig(height=32, width=64, images={"test": 1})
        data = DataConfig(dataset="synthetic_test", root="raw", predict="test", synthetic=scenes)
        prepare_all(data)
        with pytest.raises(InputError, match="farnholt_000000_000019: has no labels"):
            write_centroids(data, "test", 32)

    def test_labels_of_nothing_but_void(self, split):
        path = paths.array_file(TRAIN, "labels")
        np.save(path, np.full_like(np.load(path), 255))
        with pytest.raises(InputError, match="split 'train' has no labelled pixel; check the raw labels"):
            write_centroids(DATA, "train", 64)

    def test_not_prepared(self, project):
        with pytest.raises(InputError, match=rf"data/{TRAIN}/manifest\.json: not there"):
            write_centroids(DATA, "train", 64)

    def test_of_another_tile_are_not_there(self, split):
        write_centroids(DATA, "train", 64)
        with pytest.raises(InputError, match=r"centroids_32\.npy: not there; make it with `fbnet centroids`"):
            open_centroids(DATA, "train", 32, split)

    def test_data_prepared_anew_have_none(self, split):
        write_centroids(DATA, "train", 64)
        prepare_all(DATA)
        with pytest.raises(InputError, match="not there"):
            open_centroids(DATA, "train", 64, split)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda path: path.write_bytes(path.read_bytes()[:-5]), "cannot be read"),
            (lambda path: path.write_bytes(b""), "cannot be read"),
            (lambda path: np.save(path, np.zeros(3)), "does not fit"),
            (lambda path: np.save(path, np.load(path)[:0]), "does not fit"),
        ],
    )
    def test_damaged(self, split, damage, message):
        damage(write_centroids(DATA, "train", 64))
        with pytest.raises(InputError, match=f"centroids_64.npy: {message}.*make it with `fbnet centroids`"):
            open_centroids(DATA, "train", 64, split)

    @pytest.mark.parametrize(
        ("field", "value"), [("image", -1), ("train_id", 19), ("row", 64), ("row", -1), ("column", np.nan)]
    )
    def test_outside_of_every_image(self, split, field, value):
        path = write_centroids(DATA, "train", 64)
        centroids = np.load(path)
        centroids[field][0] = value
        np.save(path, centroids)
        with pytest.raises(InputError, match="does not fit"):
            open_centroids(DATA, "train", 64, split)

    def test_of_more_images_than_there_are(self, split):
        path = write_centroids(DATA, "train", 64)
        centroids = np.load(path)
        centroids["image"][-1] = 4
        np.save(path, centroids)
        with pytest.raises(InputError, match="does not fit"):
            open_centroids(DATA, "train", 64, split)


class TestPool:
    TRAIN = np.array([(0, 0, 1, 2), (13, 1, 3, 4)], DTYPE)
    VAL = np.array([(13, 0, 5, 6)], DTYPE)
    COARSE = np.array([(0, 0, 7, 8), (13, 1, 9, 0), (16, 2, 1, 1)], DTYPE)

    def test_one_split_alone_is_as_it_was(self):
        pooled = pool_centroids([self.TRAIN], [2])
        assert pooled.dtype == DTYPE
        assert pooled.tobytes() == self.TRAIN.tobytes()

    def test_images_are_counted_on(self):
        pooled = pool_centroids([self.TRAIN, self.VAL], [2, 1])
        assert pooled.tolist() == [(0, 0, 1, 2), (13, 1, 3, 4), (13, 2, 5, 6)]

    def test_of_the_coarse_ones_only_boosted_classes(self):
        pooled = pool_centroids([self.TRAIN, self.VAL], [2, 1], self.COARSE, {13, 16})
        assert pooled.tolist() == [(0, 0, 1, 2), (13, 1, 3, 4), (13, 2, 5, 6), (13, 4, 9, 0), (16, 5, 1, 1)]

    def test_what_it_is_made_of_stays(self):
        before = self.COARSE.copy()
        pool_centroids([self.TRAIN], [2], self.COARSE, {0})
        assert self.COARSE.tolist() == before.tolist()

    def test_splits_and_counts_that_do_not_go_together(self):
        with pytest.raises(ValueError, match="zip"):
            pool_centroids([self.TRAIN, self.VAL], [2])

    def test_each_centroid_is_in_its_image_of_the_concatenated_split(self, split):
        """Each centroid lies in a tile that holds its class."""
        val = open_split(DATA, "val")
        for name in ("train", "val"):
            write_centroids(DATA, name, 64)
        fine = [open_centroids(DATA, name, 64, part) for name, part in (("train", split), ("val", val))]
        pooled, both = pool_centroids(fine, [len(split), len(val)]), concat([split, val])
        assert set(pooled["image"]) == set(range(6))
        for train_id, image, row, column in pooled.tolist():
            top, left = int(row) // 64 * 64, int(column) // 64 * 64
            assert (both.labels(image)[top : top + 64, left : left + 64] == train_id).any()
