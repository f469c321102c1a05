"""The order of samples is a function of seed and number alone."""

import numpy as np
import torch

from fbnet.config import TrainingConfig
from fbnet.data.pack import PackedSplit
from fbnet.data.sampling import TrainingSamples, training_batches


def split(images=5, size=(16, 24)):
    rng = np.random.default_rng(0)
    pixels = size[0] * size[1]
    return PackedSplit(
        names=tuple(f"image_{index}" for index in range(images)),
        sizes=(size,) * images,
        offsets=tuple(range(0, images * pixels, pixels)),
        _images=rng.integers(0, 256, 3 * images * pixels, dtype=np.uint8),
        _labels=rng.integers(0, 19, images * pixels, dtype=np.uint8),
    )


def samples(seed=0, epochs=3, batch_size=2):
    training = TrainingConfig(crop=(8, 16), batch_size=batch_size, epochs=epochs, learning_rate=0.1)
    return TrainingSamples(split(), training, seed)


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
    batches = [list(training_batches(samples(), workers=workers, pin_memory=False)) for workers in (0, 2)]
    assert len(batches[0]) == 6
    for ours, theirs in zip(*batches, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    images, labels, indices = batches[0][0]
    assert (images.shape, images.dtype) == ((2, 3, 8, 16), torch.uint8)
    assert (labels.shape, labels.dtype) == ((2, 8, 16), torch.uint8)
    assert indices.shape == (2,)
