"""Packed splits in memory."""

from itertools import accumulate

import numpy as np

from fbnet.data.packed import PackedImage, PackedSplit


def packed_split(sizes, *, name="image", seed=0, images=None, labels=None, labelled=True):
    """A split of images of these sizes; random bytes stand for the flat arrays that are not given."""
    rng = np.random.default_rng(seed)
    *offsets, total = accumulate((height * width for height, width in sizes), initial=0)
    images = rng.integers(0, 256, 3 * total, dtype=np.uint8) if images is None else images
    labels = rng.integers(0, 19, total, dtype=np.uint8) if labels is None and labelled else labels
    return PackedSplit(
        PackedImage(f"{name}_{index}", size, offset, images, labels, "prepare the data again")
        for index, (size, offset) in enumerate(zip(sizes, offsets, strict=True))
    )
