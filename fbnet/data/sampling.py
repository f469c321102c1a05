"""Which training sample comes when: shuffled passes over the images, a function of seed and position alone."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fbnet.config import TrainingConfig
from fbnet.data.augment import draw_crop, take_crop
from fbnet.data.pack import PackedSplit

_ORDER, _AUGMENTATION = range(2)  # independent random streams of one seed


class TrainingSamples(Dataset):
    """All samples of a training, in order: sample number `iteration * batch_size + position in the batch`.

    A sample depends on seed and number only, so neither loader processes nor where a training starts change it.
    """

    def __init__(self, split: PackedSplit, training: TrainingConfig, seed: int) -> None:
        self.split = split
        self.training = training
        self.seed = seed
        self.epoch_samples = len(split) // training.batch_size * training.batch_size

    def __len__(self) -> int:
        return self.training.epochs * self.epoch_samples

    def image_index(self, number: int) -> int:
        """Which image of the split the sample is cut from; an epoch's last, incomplete batch is dropped."""
        epoch, position = divmod(number, self.epoch_samples)
        order = np.random.default_rng([self.seed, _ORDER, epoch]).permutation(len(self.split))
        return int(order[position])

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, int]:
        """(3, h, w) uint8 image, (h, w) uint8 labels, and the index of the image in the split."""
        index = self.image_index(number)
        rng = np.random.default_rng([self.seed, _AUGMENTATION, number])
        window = draw_crop(self.split.sizes[index], self.training.crop, self.training.scale, rng)
        image, labels = take_crop(self.split.image(index), self.split.labels(index), window, self.training.crop)
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(labels), index


def training_batches(samples: TrainingSamples, *, workers: int, pin_memory: bool) -> DataLoader:
    """The batches of a whole training, (N, 3, h, w), (N, h, w) and (N,), in order; 0 workers load in this process."""
    return DataLoader(
        samples,
        batch_size=samples.training.batch_size,
        num_workers=workers,
        pin_memory=pin_memory,
    )
