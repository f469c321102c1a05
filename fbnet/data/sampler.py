"""Which training sample comes when: a function of seed and position alone.

An epoch is a shuffled pass over the images. With class-uniform sampling a part of its samples, at random positions, is
replaced by crops around a class, each class equally often. Coarsely annotated images take part only in these.
"""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fbnet.config.training import TrainingConfig
from fbnet.data.augment import draw_crop, take_crop
from fbnet.data.concat import Split
from fbnet.data.photometric import change_colours

# Independent random streams of one seed; a new one comes last, for the others to stay as they are.
_ORDER, _AUGMENTATION, _CLASSES, _CENTROID, _PHOTOMETRIC = range(5)


class TrainingSamples(Dataset):
    """All samples of a training, in order: sample number `iteration * batch_size + position in the batch`.

    A sample depends on seed and number only, so neither loader processes nor where a training starts change it.
    """

    def __init__(
        self,
        split: Split,
        training: TrainingConfig,
        seed: int,
        centroids: np.ndarray | None = None,
        ordinary: int | None = None,
    ) -> None:
        """
        Args:
            split: the images and labels.
            training: crop, batch size and what is switched on.
            seed: of all that is random.
            centroids: those of `fbnet.data.centroids`, pooled, which class-uniform sampling needs.
            ordinary: how many of the split's images, the first ones, an epoch passes over; all by default. The others
                are drawn by class only.
        """
        self.split = split
        self.training = training
        self.seed = seed
        self.centroids = centroids
        self.classes = () if centroids is None else np.unique(centroids["train_id"])
        self.ordinary = len(split) if ordinary is None else ordinary
        self.epoch_samples = self.ordinary // training.batch_size * training.batch_size

    @property
    def iterations(self) -> int:
        """Of the whole training."""
        return len(self) // self.training.batch_size

    def __len__(self) -> int:
        return self.training.epochs * self.epoch_samples

    def image_index(self, number: int) -> int:
        """Which image an ordinary sample is cut from; an epoch's last, incomplete batch is dropped."""
        epoch, position = divmod(number, self.epoch_samples)
        order = self._rng(_ORDER, epoch).permutation(self.ordinary)
        return int(order[position])

    def centre_class(self, number: int) -> int | None:
        """The train id of the class that the sample is drawn by; None for an ordinary sample.

        In an epoch, each class that is present in the data has as many samples as any other, give or take one.
        """
        if self.training.class_uniform is None:
            return None
        epoch, position = divmod(number, self.epoch_samples)
        rng = self._rng(_CLASSES, epoch)
        rank = rng.permutation(self.epoch_samples)[position]
        if rank >= round(self.training.class_uniform.fraction * self.epoch_samples):
            return None
        return int(rng.permutation(self.classes)[rank % len(self.classes)])

    def place(self, number: int) -> tuple[int, tuple[float, float] | None]:
        """The image that a sample is cut from, and the row and column that it is centred on; None for anywhere."""
        train_id = self.centre_class(number)
        if train_id is None:
            return self.image_index(number), None
        choices = self.centroids[self.centroids["train_id"] == train_id]
        chosen = choices[self._rng(_CENTROID, number).integers(len(choices))]
        return int(chosen["image"]), (float(chosen["row"]), float(chosen["column"]))

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, int]:
        """(h, w, 3) uint8 image, (h, w) uint8 labels, and the index of the image in the split."""
        index, centre = self.place(number)
        training, size = self.training, self.split.sizes[index]
        window = draw_crop(size, training.crop, training.scale, self._rng(_AUGMENTATION, number), centre)
        image, labels = take_crop(self.split.image(index), self.split.labels(index), window, training.crop)
        if training.photometric is not None:
            image = change_colours(image, training.photometric, self._rng(_PHOTOMETRIC, number))
        return torch.from_numpy(image), torch.from_numpy(labels), index

    def _rng(self, stream: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream, number])
