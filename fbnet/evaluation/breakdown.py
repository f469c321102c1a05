"""Errors by place: by the distance to the boundary between foreground and background, and by the size of objects.

NOTE not in the paper, which claims that small and thin objects next to background suffer most (Sec. 1).
"""

import numpy as np
from scipy import ndimage

from fbnet.config.labels import IGNORE_INDEX, LabelSpec
from fbnet.evaluation.metrics import confusion_matrix

DISTANCES = (2, 4, 8, 16, 32)
"""Largest distance in pixels of each band but the last, which is beyond."""
AREAS = (100, 400, 1600, 6400)
"""Area in pixels from which an object is of the next size."""
COUNTS = ("true_positives", "false_negatives", "false_positives")
"""What `counts_by_size` counts, in order."""
TOUCHING = np.ones((3, 3))  # pixels that touch at a corner are of one object


def boundary_distance(labels: np.ndarray, spec: LabelSpec) -> np.ndarray:
    """Distance of each pixel to the nearest pixel across the boundary between foreground and background.

    Args:
        labels: (H, W) uint8 train ids, 255 where ignored.
        spec: the classes.

    Returns:
        (H, W) float64 in pixels: of foreground pixels to the nearest background pixel and the other way round; infinite
        without one, and where ignored.
    """
    foreground = np.isin(labels, spec.foreground_ids)
    background = (labels != IGNORE_INDEX) & ~foreground
    distance = np.full(labels.shape, np.inf)
    for here, there in ((foreground, background), (background, foreground)):
        if there.any():
            distance[here] = ndimage.distance_transform_edt(~there)[here]
    return distance


def confusion_by_distance(labels: np.ndarray, predictions: np.ndarray, spec: LabelSpec) -> np.ndarray:
    """Confusion matrices of the pixels in each band of distances to the boundary.

    Args:
        labels: (H, W) uint8 train ids, 255 where ignored.
        predictions: (H, W) uint8 train ids.
        spec: C classes.

    Returns:
        (bands, C, C) int64, one band more than DISTANCES.
    """
    band = np.searchsorted(DISTANCES, boundary_distance(labels, spec))
    matrices = [
        confusion_matrix(labels[band == index], predictions[band == index], len(spec.classes))
        for index in range(len(DISTANCES) + 1)
    ]
    return np.stack(matrices)


def counts_by_size(labels: np.ndarray, predictions: np.ndarray, spec: LabelSpec) -> np.ndarray:
    """Count the pixels of foreground classes by the size of their object, a connected region of one class.

    A pixel that is wrongly predicted as a class counts for the nearest object of this class in the image.

    Args:
        labels: (H, W) uint8 train ids, 255 where ignored.
        predictions: (H, W) uint8 train ids.
        spec: C classes.

    Returns:
        (3, sizes + 1, C) int64: true positives, false negatives and false positives; there is one size more than AREAS,
        and the last entry is for false positives in images without an object of the class.
    """
    counts = np.zeros((3, len(AREAS) + 2, len(spec.classes)), dtype=np.int64)
    for index in spec.foreground_ids:
        labelled, predicted = labels == index, predictions == index
        false = predicted & ~labelled & (labels != IGNORE_INDEX)
        if not labelled.any():
            counts[2, -1, index] = false.sum()
            continue
        size = _object_sizes(labelled)
        kinds = (size[labelled & predicted], size[labelled & ~predicted], _of_nearest(size, labelled)[false])
        counts[:, :, index] = [np.bincount(sizes, minlength=len(AREAS) + 2) for sizes in kinds]
    return counts


def _object_sizes(labelled: np.ndarray) -> np.ndarray:
    """Index of its object's size, (H, W) int64, for each pixel of a class."""
    objects, _ = ndimage.label(labelled, structure=TOUCHING)
    areas = np.bincount(objects.ravel())
    return np.searchsorted(AREAS, areas, side="right")[objects]


def _of_nearest(values: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """For each pixel the value of the nearest pixel of a class."""
    rows, columns = ndimage.distance_transform_edt(~labelled, return_distances=False, return_indices=True)
    return values[rows, columns]
