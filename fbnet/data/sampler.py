"""Order of the training samples, a function of seed and sample number alone.

An epoch is a shuffled pass over the images. With class-uniform sampling, some of its samples, at random positions, are
replaced by crops that show the centroid of a class, each class equally often. Coarsely annotated images appear only in
these.
"""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fbnet.config.training import TrainingConfig
from fbnet.data.augment import draw_crop, take_crop
from fbnet.data.packed import PackedSplit
from fbnet.data.photometric import Colours, draw_colours

# Independent random streams of one seed. Append new ones, so that the others keep their numbers.
_ORDER, _AUGMENTATION, _CLASSES, _CENTROID, _PHOTOMETRIC = range(5)


class TrainingSamples(Dataset):
    """All samples of a training, by their number `iteration * batch_size + position in the batch`.

    A sample depends on seed and number only: neither loader processes nor resuming change it.

    Args:
        split: images and label maps.
        training: crop, batch size, epochs and augmentation.
        seed: seed of all random streams.
        centroids: pooled class centroids (see `fbnet.data.centroids`), required by class-uniform sampling.
        num_uniform: number of images that an epoch passes over uniformly, the first ones of the split; all by default.
            The others are only sampled by class.
    """

    def __init__(
        self,
        split: PackedSplit,
        training: TrainingConfig,
        seed: int,
        centroids: np.ndarray | None = None,
        num_uniform: int | None = None,
    ) -> None:
        self.split = split
        self.training = training
        self.seed = seed
        self.centroids = centroids
        self.classes = () if centroids is None else np.unique(centroids["train_id"])
        self.num_uniform = len(split) if num_uniform is None else num_uniform
        self.epoch_samples = self.num_uniform // training.batch_size * training.batch_size

    @property
    def iterations(self) -> int:
        """Number of iterations of the whole training."""
        return len(self) // self.training.batch_size

    def __len__(self) -> int:
        return self.training.epochs * self.epoch_samples

    def image_index(self, number: int) -> int:
        """Return the image of a uniform sample; the last, incomplete batch of an epoch is dropped."""
        epoch, position = divmod(number, self.epoch_samples)
        return int(self._rng(_ORDER, epoch).permutation(self.num_uniform)[position])

    def sampled_class(self, number: int) -> int | None:
        """Return the train id of the class that a sample is drawn by; None if it is not drawn by class.

        In each epoch, all classes of the data have the same number of samples, give or take one.
        """
        settings = self.training.class_uniform
        epoch, position = divmod(number, self.epoch_samples)
        if settings is None or (settings.epochs is not None and epoch >= settings.epochs):
            return None
        rng = self._rng(_CLASSES, epoch)
        rank = rng.permutation(self.epoch_samples)[position]
        if rank >= round(settings.fraction * self.epoch_samples):
            return None
        return int(rng.permutation(self.classes)[rank % len(self.classes)])

    def position(self, number: int) -> tuple[int, tuple[float, float] | None]:
        """Return the image of a sample and the (row, column) that its crop shows; None for a crop drawn uniformly."""
        train_id = self.sampled_class(number)
        if train_id is None:
            return self.image_index(number), None
        choices = self.centroids[self.centroids["train_id"] == train_id]
        chosen = choices[self._rng(_CENTROID, number).integers(len(choices))]
        return int(chosen["image"]), (float(chosen["row"]), float(chosen["column"]))

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Return a (h, w, 3) uint8 image, without its changes of colour, and its (h, w) uint8 labels."""
        index, shown = self.position(number)
        training, size = self.training, self.split.sizes[index]
        window = draw_crop(size, training.crop, training.scale, self._rng(_AUGMENTATION, number), shown)
        image, labels = take_crop(self.split.image(index), self.split.labels(index), window, training.crop)
        return torch.from_numpy(image), torch.from_numpy(labels)

    def colours(self, number: int) -> Colours:
        """Return the changes of colour of a sample, for a training with photometric augmentation."""
        return draw_colours(self.training.photometric, self._rng(_PHOTOMETRIC, number))

    def name(self, number: int) -> str:
        """Return the name of the image that a sample is cut from."""
        return self.split.names[self.position(number)[0]]

    def _rng(self, stream: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, stream, number])
