"""Where the classes are: the centroid of each class in each tile of each training image, for class-uniform sampling."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from fbnet import paths
from fbnet.config import Study
from fbnet.data.pack import PackedSplit, open_split
from fbnet.errors import InputError
from fbnet.files import write_whole

DTYPE = np.dtype([("train_id", "u1"), ("image", "<i4"), ("row", "<f4"), ("column", "<f4")])


def tile_centroids(labels: np.ndarray, tile: int, classes: int) -> list[tuple[int, float, float]]:
    """The mean row and column of each class in each tile that it occurs in.

    Tiles begin at the upper left corner; the last ones of a row or column are narrower where the image's side is no
    multiple of `tile`, so that every labelled pixel counts.
    NOTE not in the paper; the codes that the idea is from leave out what does not fill a tile.

    Args:
        labels: (H, W) uint8 train ids.
        tile: side of the square tiles, in pixels.
        classes: number of classes; greater ids are ignored.

    Returns:
        (train id, row, column), tile by tile; places are counted in pixels from 0.
    """
    found = []
    for top in range(0, labels.shape[0], tile):
        for left in range(0, labels.shape[1], tile):
            part = labels[top : top + tile, left : left + tile]
            rows, columns = _count_by_row(part, classes), _count_by_row(part.T, classes)
            counts = rows.sum(axis=0)
            for train_id in np.flatnonzero(counts).tolist():
                row, column = (_mean_place(sides[:, train_id]) for sides in (rows, columns))
                found.append((train_id, top + row, left + column))
    return found


def write_centroids(study: Study, role: str) -> Path:
    """Writes the centroids of the training split of one of a study's data sets beside its prepared data.

    Returns:
        The file's path.

    Raises:
        InputError: if the study has no class-uniform sampling, its tile is larger than an image, its data are not
            prepared, or no pixel is labelled.
    """
    path, data = _path(study, role), study.role(role)
    split = open_split(data, data.train)
    tile, classes = study.settings.training.class_uniform.tile[role], len(data.labels.classes)
    _check_tile(study, role, split, tile)
    progress = tqdm(range(len(split)), desc=f"centroids {data.train}", unit="image", disable=None)
    rows = []
    for index in progress:
        found = tile_centroids(split.labels(index), tile, classes)
        rows += [(train_id, index, row, column) for train_id, row, column in found]
    if not rows:
        raise InputError(f"{path}: split {data.train!r} has no labelled pixel; look at the raw labels")
    centroids = np.array(rows, dtype=DTYPE)
    write_whole(path, lambda file: np.save(file, centroids, allow_pickle=False))
    return path


def open_centroids(study: Study, role: str, split: PackedSplit) -> np.ndarray:
    """The centroids of a data set's training split: a one-dimensional array of `DTYPE`, image by image.

    Raises:
        InputError: if the study has no class-uniform sampling, or they were not made, or do not fit the split.
    """
    path = _path(study, role)
    remedy = f"make it with `fbnet centroids --study {study.name}`"
    try:
        centroids = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {remedy}") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {remedy}") from None
    if centroids.dtype != DTYPE or not len(centroids) or centroids["image"].max() >= len(split):
        raise InputError(f"{path}: does not fit the prepared data; {remedy}")
    return centroids


def _path(study: Study, role: str) -> Path:
    settings, data = study.settings.training.class_uniform, study.role(role)
    if settings is None:
        raise InputError(f"{paths.study_file(study.name)}: training.class_uniform: is off, so there are no centroids")
    return paths.centroids_file(data.dataset, data.train, settings.tile[role])


def _check_tile(study: Study, role: str, split: PackedSplit, tile: int) -> None:
    smallest = min(min(size) for size in split.sizes)
    if tile > smallest:
        height, width = next(size for size in split.sizes if min(size) == smallest)
        raise InputError(
            f"{paths.study_file(study.name)}: training.class_uniform.tile.{role}: {tile} is larger than an image of "
            f"{height} x {width} in split {study.role(role).train!r}; take at most {smallest}"
        )


def _count_by_row(labels: np.ndarray, classes: int) -> np.ndarray:
    """(H, classes): pixels of each class in each row."""
    height = len(labels)
    cells = labels + 256 * np.arange(height)[:, None]
    return np.bincount(cells.ravel(), minlength=256 * height).reshape(height, 256)[:, :classes]


def _mean_place(counts: np.ndarray) -> float:
    """The mean index, weighted by the counts."""
    return float(np.arange(len(counts)) @ counts / counts.sum())
