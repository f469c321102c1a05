"""Order of the training samples, a function of seed and number alone."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from fbnet.config.datasets import DataConfig, SyntheticConfig
from fbnet.config.training import ClassUniformConfig, PhotometricConfig, TrainingConfig
from fbnet.data.augment import draw_crop, take_crop
from fbnet.data.centroids import DTYPE, open_centroids, pool_centroids, tile_centroids, write_centroids
from fbnet.data.packed import concat, open_split
from fbnet.data.photometric import draw_colours
from fbnet.data.sampler import TrainingSamples
from fbnet.training.loader import training_batches
from tests.conftest import prepare_all
from tests.data.splits import packed_split


def samples(seed=0, epochs=3, batch_size=2, **parts):
    training = TrainingConfig(crop=(8, 16), batch_size=batch_size, epochs=epochs, learning_rate=0.1, **parts)
    return TrainingSamples(packed_split([(16, 24)] * 5), training, seed)


def test_an_epoch_shows_each_image_at_most_once():
    ours = samples()
    assert len(ours) == 3 * 4  # of five images in batches of two, one is left out in each epoch
    for epoch in range(3):
        order = [ours.image_index(number) for number in range(4 * epoch, 4 * epoch + 4)]
        assert len(set(order)) == 4


def test_epochs_differ_and_leave_out_different_images():
    ours = samples(epochs=50)
    orders = {tuple(ours.image_index(4 * epoch + position) for position in range(4)) for epoch in range(50)}
    assert len(orders) > 25
    assert {index for order in orders for index in order} == set(range(5))


def test_a_sample_depends_on_seed_and_number_only():
    first, again, other = samples(), samples(), samples(seed=1)
    alone = again[7]  # without drawing those before it
    in_order = [first[number] for number in range(8)][7]
    assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(alone, in_order, strict=True))
    assert not torch.equal(alone[0], other[7][0])


def test_workers_do_not_change_the_batches():
    batches = [list(training_batches(samples(), 2, workers=workers, pin_memory=False)) for workers in (0, 1, 4)]
    assert len(batches[0]) == 6
    for ours, *theirs in zip(*batches, strict=True):
        assert all(torch.equal(a, b) for other in theirs for a, b in zip(ours, other, strict=True))
    images, labels = batches[0][0]
    assert (images.shape, images.dtype) == ((2, 8, 16, 3), torch.uint8)
    assert (labels.shape, labels.dtype) == ((2, 8, 16), torch.uint8)


def test_a_pickled_data_set_is_small(project):
    """A loader process that is not forked gets paths and offsets, and opens the maps itself."""
    scenes = SyntheticConfig(height=256, width=512, images={"train": 12}, seed=0)
    data = DataConfig(dataset="synthetic", root="raw", train="train", synthetic=scenes)
    prepare_all(data)
    training = TrainingConfig(crop=(64, 64), batch_size=2, epochs=1, learning_rate=0.1)
    ours = TrainingSamples(open_split(data, "train"), training, 0)
    packed = pickle.dumps(ours)
    assert len(packed) < 10_000 < 4 * 12 * 256 * 512
    batches = DataLoader(ours, batch_size=2, num_workers=1, multiprocessing_context="forkserver")
    for batch, first in zip(batches, range(0, len(ours), 2), strict=True):
        expected = default_collate([ours[first], ours[first + 1]])
        assert all(torch.equal(a, b) for a, b in zip(batch, expected, strict=True))


def test_plain_samples_never_change():
    """Networks trained earlier stay reproducible: streams 0 and 1 are drawn from as before."""
    ours = samples(seed=3)
    digest = hashlib.sha256()
    for number in range(len(ours)):
        epoch, position = divmod(number, 4)
        index = int(np.random.default_rng([3, 0, epoch]).permutation(5)[position])
        window = draw_crop((16, 24), (8, 16), (0.5, 2.0), np.random.default_rng([3, 1, number]))
        image, labels = take_crop(ours.split.image(index), ours.split.labels(index), window, (8, 16))
        sample = ours[number]
        assert np.array_equal(sample[0], image)
        assert np.array_equal(sample[1], labels)
        assert ours.name(number) == f"image_{index}"
        digest.update(labels.tobytes())
    assert (
        digest.hexdigest() == "52b034ca974b92d80580bb2140ab2bed8e72bff3f12a699f8d8526ddc0d7a641"
    )  # of the first version


class TestColours:
    def test_depend_on_seed_and_number_only(self):
        first, again, other = (samples(seed=seed, photometric=PhotometricConfig()) for seed in (1, 1, 2))
        in_order = [first.colours(number) for number in range(len(first))]
        assert [again.colours(number) for number in reversed(range(len(first)))] == in_order[::-1]
        assert len({change.sigma for change in in_order}) == len(first)
        assert other.colours(0) != in_order[0]
        assert in_order[5] == draw_colours(PhotometricConfig(), np.random.default_rng([1, 4, 5]))

    def test_leave_the_loaded_samples_as_they_are(self):
        plain, coloured = samples(seed=1), samples(seed=1, photometric=PhotometricConfig())
        for number in range(len(plain)):
            assert all(torch.equal(*pair) for pair in zip(plain[number], coloured[number], strict=True))


SIZE, CROP, TILE = (40, 80), (16, 24), 40
CLASSES = 6  # of which 2 and 5 are in no image, and 4 in one


def patches(images=12, seed=0):
    """Images with a few small squares of one class each, the rest ignored, and their centroids."""
    rng = np.random.default_rng(seed)
    labels = np.full((images, *SIZE), 255, np.uint8)
    for index in range(images):
        for train_id in rng.choice([0, 1, 3], 2, replace=False):
            row, column = rng.integers(0, (SIZE[0] - 3, SIZE[1] - 3))
            labels[index, row : row + 3, column : column + 3] = train_id
    labels[7, :3, :3] = 4
    rows = [(f[0], i, *f[1:]) for i in range(images) for f in tile_centroids(labels[i], TILE, CLASSES)]
    data = packed_split([SIZE] * images, images=np.zeros(3 * labels.size, np.uint8), labels=labels.ravel())
    return data, np.array(rows, dtype=DTYPE)


def uniform(seed=0, epochs=100, fraction=0.5, scale=(0.5, 2.0), by_class=None):
    data, centroids = patches()
    training = TrainingConfig(
        crop=CROP,
        batch_size=4,
        epochs=epochs,
        learning_rate=0.1,
        scale=scale,
        class_uniform=ClassUniformConfig(tile={"cityscapes": TILE}, fraction=fraction, epochs=by_class),
    )
    return TrainingSamples(data, training, seed, centroids)


class TestClassUniform:
    @pytest.mark.parametrize(("fraction", "drawn"), [(0.25, 3), (0.5, 6), (1.0, 12)])
    def test_each_present_class_is_drawn_equally_often(self, fraction, drawn):
        ours = uniform(fraction=fraction)
        assert len(ours) == 100 * 12
        counts = np.zeros((100, CLASSES), int)
        for number in range(len(ours)):
            train_id = ours.sampled_class(number)
            if train_id is not None:
                counts[number // 12, train_id] += 1
        assert (counts.sum(axis=1) == drawn).all()  # of each epoch
        assert (counts[:, [2, 5]] == 0).all()
        present = counts[:, [0, 1, 3, 4]]
        assert (present.max(axis=1) - present.min(axis=1) <= 1).all()
        # Beyond its whole share, a class gets one more in a share p of the epochs: four standard deviations of that.
        extra = drawn / 4 % 1
        slack = 4 * np.sqrt(100 * extra * (1 - extra))
        assert (np.abs(present.sum(axis=0) - 100 * drawn / 4) <= slack).all()

    def test_it_may_end_before_the_training(self):
        """12 samples an epoch, half of them by class in the first 3 of 5 epochs; the first ones do not change."""
        ours, always = uniform(epochs=5, by_class=3), uniform(epochs=5)
        by_class = np.array([ours.sampled_class(number) is not None for number in range(60)]).reshape(5, 12)
        assert by_class.sum(axis=1).tolist() == [6, 6, 6, 0, 0]
        assert [ours.position(number) for number in range(36)] == [always.position(number) for number in range(36)]
        assert [ours.position(number) for number in range(36, 60)] == [
            (ours.image_index(number), None) for number in range(36, 60)
        ]

    def test_positions_never_change(self):
        ours = uniform(seed=2, epochs=10)
        drawn = [(ours.sampled_class(number), ours.position(number)) for number in range(len(ours))]
        digest = hashlib.sha256("".join(map(repr, drawn)).encode()).hexdigest()
        # of the first version
        assert digest == "f36edb325785e4ff25a9a54750989e4bca4cc6e180dc64dca852fc1615da049c"

    def test_all_positions_of_a_class_are_drawn_equally_often(self):
        ours = uniform(epochs=300)
        drawn = [ours.position(number) for number in range(len(ours)) if ours.sampled_class(number) == 1]
        choices = ours.centroids[ours.centroids["train_id"] == 1]
        counts = [
            drawn.count((int(choice["image"]), (float(choice["row"]), float(choice["column"])))) for choice in choices
        ]
        assert sum(counts) == len(drawn) > 400
        share = 1 / len(choices)
        assert np.abs(np.array(counts) - len(drawn) * share).max() < 5 * np.sqrt(len(drawn) * share * (1 - share))

    def test_other_samples_are_uniform(self):
        ours = uniform()
        plain = TrainingSamples(ours.split, uniform().training, 0)
        by_class = [ours.sampled_class(number) is not None for number in range(240)]
        assert sum(by_class) == 120
        assert not all(by_class[:6])  # neither first nor last in each epoch
        assert len({tuple(by_class[start : start + 12]) for start in range(0, 240, 12)}) > 10
        for number in range(240):
            if not by_class[number]:
                assert ours.position(number) == (plain.image_index(number), None)

    @pytest.mark.parametrize("scale", [(0.3, 0.3), (0.5, 2.0), (1.0, 1.0)])
    def test_the_centroid_is_in_the_crop(self, scale):
        ours = uniform(epochs=30, fraction=1.0, scale=scale)
        for number in range(len(ours)):
            _, centroid = ours.position(number)
            window = draw_crop(SIZE, CROP, scale, np.random.default_rng([0, 1, number]), centroid)
            for index, side, scaled, start, part in zip(
                centroid, SIZE, window.scaled, (window.top, window.left), CROP, strict=True
            ):
                assert 0 <= start <= max(0, scaled - part)
                assert start <= (index + 0.5) * scaled / side <= start + part

    def test_the_centroid_is_anywhere_in_the_crop(self):
        """Each of its places is as likely as any other, away from the image's edges; nearer, the edge bounds them."""
        rng = np.random.default_rng(0)
        windows = [draw_crop(SIZE, CROP, (1.0, 1.0), rng, (20.0, 40.0)) for _ in range(4000)]
        for place, part in (
            (20 - np.array([w.top for w in windows]), 16),
            (40 - np.array([w.left for w in windows]), 24),
        ):
            counts = np.bincount(place, minlength=part)
            assert len(counts) == part
            assert np.abs(counts - 4000 / part).max() < 5 * np.sqrt(4000 / part)
        corner = [draw_crop(SIZE, CROP, (1.0, 1.0), rng, (3.0, 79.0)) for _ in range(1000)]
        assert {window.top for window in corner} == set(range(4))
        assert {window.left for window in corner} == {80 - 24}

    def test_the_class_is_in_the_crop(self):
        """Patches of 3 x 3 hold their own centroid, so each crop drawn by the class shows some of it."""
        ours = uniform(epochs=30, scale=(1.0, 1.0))
        for number in range(len(ours)):
            train_id = ours.sampled_class(number)
            if train_id == 4:
                labels = ours[number][1]
                assert ours.position(number)[0] == 7
                assert 1 <= (labels == 4).sum() <= 9

    def test_a_sample_depends_on_seed_and_number_only(self):
        first, again, other = uniform(), uniform(), uniform(seed=1)
        in_order = [first.position(number) for number in range(24)]
        assert [again.position(number) for number in reversed(range(24))] == in_order[::-1]
        assert [other.position(number) for number in range(24)] != in_order
        batches = [
            list(training_batches(uniform(epochs=2), 4, workers=workers, pin_memory=False)) for workers in (0, 2)
        ]
        for mine, theirs in zip(*batches, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


BOOSTED = (1, 5)  # 1 is in fine and coarse images, 5 in coarse ones only


def with_coarse(epochs=400, fraction=0.5, batch_size=4):
    """Twelve fine images, and twenty coarse ones with the classes 0, 1, 3, 4 and 5."""
    fine, fine_centroids = patches()
    coarse, coarse_centroids = patches(images=20, seed=1)
    labels = coarse.entries[0].labels.reshape(20, *SIZE)
    labels[3, 10:13, 10:13] = 5
    coarse_centroids = np.append(coarse_centroids, np.array([(5, 3, 11, 11)], dtype=DTYPE))
    centroids = pool_centroids([fine_centroids], [12], coarse_centroids, BOOSTED)
    training = TrainingConfig(
        crop=CROP,
        batch_size=batch_size,
        epochs=epochs,
        learning_rate=0.1,
        class_uniform=ClassUniformConfig(tile={"cityscapes": TILE, "cityscapes_coarse": TILE}, fraction=fraction),
    )
    return TrainingSamples(concat([fine, coarse]), training, 0, centroids, num_uniform=12)


class TestCoarse:
    def test_an_epoch_is_as_long_as_the_fine_images(self):
        assert with_coarse().epoch_samples == 12
        assert with_coarse(batch_size=5).epoch_samples == 10
        assert len(with_coarse(epochs=7)) == 84

    def test_a_uniform_sample_is_never_coarse(self):
        ours = with_coarse(epochs=100)
        uniform_samples = [ours.position(number) for number in range(len(ours)) if ours.sampled_class(number) is None]
        assert {image for image, _ in uniform_samples} == set(range(12))
        assert len(uniform_samples) == 600

    def test_uniform_samples_do_not_depend_on_coarse_images(self):
        ours, plain = with_coarse(epochs=50), uniform(epochs=50)
        assert all(ours.image_index(number) == plain.image_index(number) for number in range(600))

    def test_only_boosted_classes_come_from_coarse_images(self):
        ours = with_coarse()
        images = {train_id: set() for train_id in range(CLASSES)}
        for number in range(len(ours)):
            train_id = ours.sampled_class(number)
            if train_id is not None:
                images[train_id].add(ours.position(number)[0])
        for train_id in (0, 3, 4):
            assert max(images[train_id]) < 12
        assert min(images[1]) < 12 <= max(images[1])
        assert images[5] == {12 + 3}
        assert images[2] == set()

    def test_boosted_classes_come_from_both_in_proportion(self):
        ours = with_coarse(epochs=600)
        drawn = [ours.position(number)[0] for number in range(len(ours)) if ours.sampled_class(number) == 1]
        choices = ours.centroids[ours.centroids["train_id"] == 1]
        share = np.mean(choices["image"] >= 12)
        assert 0.3 < share < 0.9
        deviation = np.sqrt(len(drawn) * share * (1 - share))
        assert abs(sum(image >= 12 for image in drawn) - len(drawn) * share) < 4 * deviation

    def test_each_class_is_drawn_equally_often(self):
        ours = with_coarse(fraction=1.0)
        counts = np.zeros((400, CLASSES), int)
        for number in range(len(ours)):
            counts[number // 12, ours.sampled_class(number)] += 1
        present = counts[:, [0, 1, 3, 4, 5]]
        assert (counts[:, 2] == 0).all()
        assert (present.max(axis=1) - present.min(axis=1) <= 1).all()
        slack = 4 * np.sqrt(400 * 0.4 * 0.6)  # 12 samples for 5 classes: one more in 2 of 5 epochs
        assert (np.abs(present.sum(axis=0) - 400 * 12 / 5) <= slack).all()

    def test_samples_of_both_are_cut_from_their_images(self):
        ours = with_coarse(epochs=30)
        boosted = [number for number in range(len(ours)) if ours.sampled_class(number) == 5]
        assert len(boosted) > 10
        for number in boosted:
            labels = ours[number][1]
            assert ours.position(number)[0] == 15
            assert (labels == 5).any()


def test_each_class_is_drawn_equally_often_in_packed_data(project):
    """Class-uniform sampling through preparation and centroid files, on images with and without each class."""
    scenes = SyntheticConfig(height=64, width=128, images={"train": 12, "val": 1})
    data = DataConfig(dataset="synthetic", root="raw", train="train", evaluate="val", synthetic=scenes)
    prepare_all(data)
    split = open_split(data, "train")
    write_centroids(data, "train", 64)
    epochs = 300
    training = TrainingConfig(
        crop=(32, 64),
        batch_size=4,
        epochs=epochs,
        learning_rate=0.1,
        class_uniform=ClassUniformConfig(tile={"cityscapes": 64}),
    )
    ours = TrainingSamples(split, training, 0, open_centroids(data, "train", 64, split))
    has = np.array([[(split.labels(index) == train_id).any() for train_id in range(19)] for index in range(12)])
    assert has.any(axis=0).all()  # each class is there
    assert not has.all(axis=0).all()  # and some only in some of the images
    counts, drawn = np.zeros(19, int), 0
    for number in range(len(ours)):
        train_id = ours.sampled_class(number)
        if train_id is not None:
            image, (row, column) = ours.position(number)
            top, left = int(row) // 64 * 64, int(column) // 64 * 64
            assert (split.labels(image)[top : top + 64, left : left + 64] == train_id).any()
            counts[train_id] += 1
            drawn += 1
    assert drawn == epochs * 6
    # Six of the 19 classes are drawn in each epoch.
    slack = 4 * np.sqrt(epochs * 6 / 19 * 13 / 19)
    assert np.abs(counts - drawn / 19).max() <= slack
