"""Writing of synthetic data sets: drawn street scenes in the folder layouts and label ids of the real ones."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
from tqdm import tqdm

from fbnet.config.datasets import SyntheticConfig
from fbnet.config.registry import DATASETS
from fbnet.data.synthetic.scene import Scene, draw_scene
from fbnet.errors import InputError
from fbnet.io.files import new_folder

MARKER = "synthetic.json"
"""File in every folder written here, with the parameters used; only such folders are ever replaced."""
SPLITS = ("train", "val", "test", "train_extra", "training", "validation")
"""The index of a split seeds its scenes; append new ones."""


def scene(config: SyntheticConfig, split: str, index: int) -> Scene:
    """Draw scene number `index` of one of the `SPLITS`; the same arguments always give the same scene."""
    rng = np.random.default_rng([config.seed, SPLITS.index(split), index])
    return draw_scene(config.height, config.width, rng, index)


@contextmanager
def drawn_scenes(folder: Path, config: SyntheticConfig, split: str, dataset: str = "synthetic") -> Iterator[Path]:
    """Draw a split, and yield the folder that it is in until the end of the block, when it replaces `folder`.

    Raises:
        InputError: if the folder holds anything but scenes drawn here.
    """
    empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not empty and not (folder / MARKER).is_file():
        raise InputError(f"{folder}: not a synthetic data set (no {MARKER}); move it away or name another folder")
    layout = resolve_name(DATASETS[dataset].layout)
    with new_folder(folder) as part:
        (part / MARKER).write_text(json.dumps(config.model_dump(), indent=2) + "\n", encoding="utf-8")
        for index in tqdm(range(config.images[split]), desc=f"scenes {split}", unit="scene", disable=None):
            layout.write(part, split, index, scene(sized(config, layout.sizes, index), split, index))
        yield part


def sized(config: SyntheticConfig, sizes: tuple[tuple[float, float], ...], index: int) -> SyntheticConfig:
    """Return the parameters of one scene: scenes take a layout's `sizes`, fractions of height and width, in turn."""
    height, width = sizes[index % len(sizes)]
    sides = {"height": round(height * config.height), "width": round(width * config.width)}
    return config.model_copy(update=sides)
