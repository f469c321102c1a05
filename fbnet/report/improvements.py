"""Regions where one prediction improves on another: the boxes of Figure 1."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

CELLS = 12  # search grid cells over the picture's height
SHARE = 0.1  # net share of a cell's pixels that must be won to count as an improvement


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, rows `top` to `bottom` and columns `left` to `right`, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int
    score: int
    """Pixels won minus pixels lost."""


def changes(label: np.ndarray, before: np.ndarray, after: np.ndarray, classes: Collection[int]) -> np.ndarray:
    """Return which pixels differ in correctness between two predictions.

    Args:
        label, before, after: (H, W) uint8 train ids.
        classes: train ids of the labels that count.

    Returns:
        (H, W) int8: 1 where only `after` is right, -1 where only `before` is, else 0.
    """
    gained = (after == label).astype(np.int8) - (before == label).astype(np.int8)
    return np.where(np.isin(label, list(classes)), gained, 0).astype(np.int8)


def find_boxes(change: np.ndarray, limit: int = 3) -> list[Box]:
    """Return the largest improvements in an (H, W) map of `changes`, best first, at least a grid cell apart.

    Neighbouring grid cells of clear improvement form a region; its box bounds the pixels won in it.
    """
    side = max(1, change.shape[0] // CELLS)
    boxes = [_box(change, cells, side) for cells in _regions(_cell_sums(change, side) >= SHARE * side**2)]
    boxes = sorted((box for box in boxes if box.score > 0), key=lambda box: (-box.score, box.top, box.left))
    chosen = []
    for box in boxes:
        if len(chosen) < limit and not any(_close(box, other, side) for other in chosen):
            chosen.append(box)
    return chosen


def _cell_sums(change: np.ndarray, side: int) -> np.ndarray:
    rows = np.add.reduceat(change.astype(np.int64), np.arange(0, change.shape[0], side), axis=0)
    return np.add.reduceat(rows, np.arange(0, change.shape[1], side), axis=1)


def _regions(cells: np.ndarray) -> list[list[tuple[int, int]]]:
    """Connected groups of true cells, diagonals included."""
    remaining = set(map(tuple, np.argwhere(cells).tolist()))
    regions = []
    while remaining:
        region, pending = [], [min(remaining)]
        remaining.discard(pending[0])
        while pending:
            row, column = pending.pop()
            region.append((row, column))
            beside = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & remaining
            remaining -= beside
            pending += sorted(beside)
        regions.append(region)
    return regions


def _box(change: np.ndarray, cells: list[tuple[int, int]], side: int) -> Box:
    inside = np.zeros(change.shape, dtype=bool)
    for row, column in cells:
        inside[row * side : (row + 1) * side, column * side : (column + 1) * side] = True
    rows, columns = np.nonzero(inside & (change > 0))
    top, bottom = int(rows.min()), int(rows.max()) + 1
    left, right = int(columns.min()), int(columns.max()) + 1
    return Box(top, left, bottom, right, score=int(change[top:bottom, left:right].sum(dtype=np.int64)))


def _close(one: Box, other: Box, gap: int) -> bool:
    """Return True if two boxes overlap or are less than `gap` pixels apart."""
    rows = one.top < other.bottom + gap and other.top < one.bottom + gap
    return rows and one.left < other.right + gap and other.left < one.right + gap
