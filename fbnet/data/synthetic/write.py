"""Writing of synthetic data sets: drawn street scenes in the folder layouts and label ids of the real ones."""

import json
import shutil
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
from tqdm import tqdm

from fbnet.config.datasets import SyntheticConfig
from fbnet.config.registry import DATASETS
from fbnet.data.synthetic.scene import Scene, draw_scene
from fbnet.errors import InputError

MARKER = "synthetic.json"
"""File in every folder written here, with the parameters used; only such folders are ever replaced."""
SPLITS = ("train", "val", "test", "train_extra", "training", "validation")
"""The index of a split seeds its scenes; append new ones."""


def scene(config: SyntheticConfig, split: str, index: int) -> Scene:
    """Draw scene number `index` of one of the `SPLITS`; the same arguments always give the same scene."""
    rng = np.random.default_rng([config.seed, SPLITS.index(split), index])
    return draw_scene(config.height, config.width, rng, index)


def write_scenes(root: Path, config: SyntheticConfig, dataset: str = "synthetic") -> None:
    """Write a data set to `root`, as a whole or not at all: it replaces an earlier one when it is complete.

    Raises:
        InputError: if the folder holds anything but a data set written here.
    """
    part, former = (root.with_name(root.name + suffix) for suffix in (".part", ".former"))
    for folder in (root, part, former):
        empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
        if not empty and not (folder / MARKER).is_file():
            raise InputError(f"{folder}: not a synthetic data set (no {MARKER}); move it away or name another folder")
    for folder in (part, former):
        shutil.rmtree(folder, ignore_errors=True)
    part.mkdir(parents=True)
    (part / MARKER).write_text(json.dumps(config.model_dump(), indent=2) + "\n", encoding="utf-8")

    layout = resolve_name(DATASETS[dataset].layout)
    tasks = [(split, index) for split, images in config.images.items() for index in range(images)]
    for split, index in tqdm(tasks, desc="synthetic scenes", unit="scene", disable=None):
        layout.write(part, split, index, scene(sized(config, layout.sizes, index), split, index))
    if root.exists():
        root.rename(former)
    part.rename(root)
    shutil.rmtree(former, ignore_errors=True)


def sized(config: SyntheticConfig, sizes: tuple[tuple[float, float], ...], index: int) -> SyntheticConfig:
    """Return the parameters of one scene: scenes take a layout's `sizes`, fractions of height and width, in turn."""
    height, width = sizes[index % len(sizes)]
    sides = {"height": round(height * config.height), "width": round(width * config.width)}
    return config.model_copy(update=sides)
