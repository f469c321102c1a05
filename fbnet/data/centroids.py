"""Centroids of each class in each tile of each training image, for class-uniform sampling."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.data.packed import PackedSplit, open_split
from fbnet.errors import InputError
from fbnet.io.arrays import open_array
from fbnet.io.files import write_whole

DTYPE = np.dtype([("train_id", "u1"), ("image", "<i4"), ("row", "<f4"), ("column", "<f4")])


def tile_centroids(labels: np.ndarray, tile: int, classes: int) -> list[tuple[int, float, float]]:
    """Return the mean row and column of each class in each tile that it occurs in.

    Tiles begin at the upper left corner; the last tile of a row or column may be narrower, so that every labelled
    pixel counts.
    NOTE not in the paper; the code that the idea comes from drops incomplete tiles.

    Args:
        labels: (H, W) uint8 train ids.
        tile: side of the square tiles, in pixels.
        classes: number of classes; greater ids are ignored.

    Returns:
        (train id, row, column), tile by tile, in pixels from 0.
    """
    found = []
    for top in range(0, labels.shape[0], tile):
        for left in range(0, labels.shape[1], tile):
            part = labels[top : top + tile, left : left + tile]
            rows, columns = _count_by_row(part, classes), _count_by_row(part.T, classes)
            for train_id in np.flatnonzero(rows.sum(axis=0)).tolist():
                counts = rows[:, train_id], columns[:, train_id]
                row, column = (float(np.arange(len(count)) @ count / count.sum()) for count in counts)
                found.append((train_id, top + row, left + column))
    return found


def write_centroids(data: DataConfig, split: str, tile: int) -> Path:
    """Write the centroids of a split beside its prepared data, with square tiles of `tile` pixels a side.

    Returns:
        Path of the file.

    Raises:
        InputError: if the tile is larger than an image, the split is not prepared, or no pixel is labelled.
    """
    path = paths.centroids_file(data.packed_name(split), tile)
    packed = open_split(data, split)
    height, width = min(packed.sizes, key=min)
    if tile > min(height, width):
        raise InputError(
            f"{path}: a tile of {tile} pixels is larger than an image of {height} x {width} in split {split!r}; "
            f"take at most {min(height, width)}"
        )
    rows = []
    for index in tqdm(range(len(packed)), desc=f"centroids {split}", unit="image", disable=None):
        found = tile_centroids(packed.labels(index), tile, len(data.labels.classes))
        rows += [(train_id, index, row, column) for train_id, row, column in found]
    if not rows:
        raise InputError(f"{path}: split {split!r} has no labelled pixel; check the raw labels")
    centroids = np.array(rows, dtype=DTYPE)
    write_whole(path, lambda file: np.save(file, centroids, allow_pickle=False))
    return path


def open_centroids(data: DataConfig, split: str, tile: int, packed: PackedSplit) -> np.ndarray:
    """Return the centroids of an opened split, a one-dimensional array of `DTYPE` in the order of its images.

    Raises:
        InputError: if the file is missing, damaged, or does not fit the split.
    """
    path = paths.centroids_file(data.packed_name(split), tile)
    hint = "make it with `fbnet centroids`"
    centroids = np.array(open_array(path, hint))
    if centroids.dtype != DTYPE or centroids.ndim != 1 or not len(centroids) or not _fit(centroids, data, packed):
        raise InputError(f"{path}: does not fit the prepared data; {hint}")
    return centroids


def pool_centroids(
    fine: Sequence[np.ndarray], counts: Sequence[int], coarse: np.ndarray | None = None, boosted: Collection[int] = ()
) -> np.ndarray:
    """Return the centroids to draw crops from, for splits that are concatenated in the same order, the coarse one last.

    NOTE not in the paper, which only says that coarse annotations are used.

    Args:
        fine: centroids of each finely annotated split.
        counts: number of images of each of these splits.
        coarse: centroids of a coarsely annotated split.
        boosted: train ids of the classes that are drawn from the coarsely annotated images as well.

    Returns:
        One array of `DTYPE`, with image indices of the concatenated split.
    """
    starts = np.cumsum([0, *counts])
    parts = [_shifted(centroids, start) for centroids, start in zip(fine, starts[:-1], strict=True)]
    if coarse is not None:
        parts.append(_shifted(coarse[np.isin(coarse["train_id"], list(boosted))], starts[-1]))
    return np.concatenate(parts)


def _fit(centroids: np.ndarray, data: DataConfig, packed: PackedSplit) -> bool:
    """Return whether every centroid has an existing class and lies inside an existing image."""
    images = centroids["image"]
    if images.min() < 0 or images.max() >= len(packed) or centroids["train_id"].max() >= len(data.labels.classes):
        return False
    sizes = np.array(packed.sizes)[images]
    positions = np.stack([centroids["row"], centroids["column"]], axis=1)
    return bool(((positions >= 0) & (positions < sizes)).all())  # false for NaN


def _shifted(centroids: np.ndarray, start: int) -> np.ndarray:
    """Return a copy whose image indices begin at `start`."""
    shifted = centroids.copy()
    shifted["image"] += start
    return shifted


def _count_by_row(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the pixels of each class in each row, (H, classes)."""
    height = len(labels)
    cells = labels + 256 * np.arange(height)[:, None]
    return np.bincount(cells.ravel(), minlength=256 * height).reshape(height, 256)[:, :classes]
