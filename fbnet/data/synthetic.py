"""Writes synthetic data sets: drawn street scenes in the folder layouts and label ids of the real ones."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from fbnet.data.scene import Scene, draw_scene
from fbnet.data.source import SyntheticConfig
from fbnet.data.specs import CITYSCAPES
from fbnet.errors import InputError

MARKER = "synthetic.json"
"""In every folder that is written here, with the parameters used; only such folders are ever replaced."""

# Invented cities of each split; the position of a split is part of its scenes' random state.
CITIES = {"train": ("aldermoor", "brennick", "cortavel"), "val": ("dunhalde", "ellwick")}
_FRAME = 19  # the labelled frame of each sequence in Cityscapes


def scene(config: SyntheticConfig, split: str, index: int) -> Scene:
    """Draw scene number `index` of the split "train" or "val"; the same arguments always give the same scene."""
    rng = np.random.default_rng([config.seed, list(CITIES).index(split), index])
    return draw_scene(config.height, config.width, rng, index)


def write_scenes(root: Path, config: SyntheticConfig, dataset: str = "synthetic") -> None:
    """Write the data set to `root`, as a whole or not at all.

    `synthetic` is in the layout of Cityscapes, `synthetic_bdd100k` in that of BDD100K. It is written into
    `<root>.part` first. A data set that was written here before is replaced once the new one is complete. Raises
    InputError where something else is in the way.
    """
    part, former = (root.with_name(root.name + suffix) for suffix in (".part", ".former"))
    for folder in (root, part, former):
        _check_replaceable(folder)
    for folder in (part, former):
        shutil.rmtree(folder, ignore_errors=True)
    part.mkdir(parents=True)
    (part / MARKER).write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")

    tasks = [(split, index) for split, images in config.images.items() for index in range(images)]
    for split, index in tqdm(tasks, desc="synthetic scenes", unit="scene", disable=None):
        LAYOUTS[dataset](part, split, index, scene(config, split, index))
    _put_in_place(part, root, former)


def _check_replaceable(folder: Path) -> None:
    empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not empty and not (folder / MARKER).is_file():
        raise InputError(f"{folder}: holds no synthetic data set (no {MARKER}); move it away or name another folder")


def _put_in_place(part: Path, root: Path, former: Path) -> None:
    if root.exists():
        root.rename(former)
    part.rename(root)
    shutil.rmtree(former, ignore_errors=True)


def _write_cityscapes(root: Path, split: str, index: int, drawn: Scene) -> None:
    cities = CITIES[split]
    city = cities[index % len(cities)]
    stem = f"{city}_{index // len(cities):06d}_{_FRAME:06d}"
    images, annotations = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
    for folder in (images, annotations):
        folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn.image).save(images / f"{stem}_leftImg8bit.png")
    Image.fromarray(drawn.labels).save(annotations / f"{stem}_gtFine_labelIds.png")
    polygons = json.dumps(_annotation(drawn))
    (annotations / f"{stem}_gtFine_polygons.json").write_text(polygons + "\n", encoding="utf-8")


def _write_bdd100k(root: Path, split: str, index: int, drawn: Scene) -> None:
    """JPEG frames, and label maps that hold train ids."""
    images, masks = root / "images/10k" / split, root / "labels/sem_seg/masks" / split
    for folder in (images, masks):
        folder.mkdir(parents=True, exist_ok=True)
    stem = f"{list(CITIES).index(split):08x}-{index:08x}"
    Image.fromarray(drawn.image).save(images / f"{stem}.jpg", quality=95)
    Image.fromarray(CITYSCAPES.train_ids[drawn.labels]).save(masks / f"{stem}.png")


def _annotation(drawn: Scene) -> dict:
    """What Cityscapes keeps in a polygons file."""
    height, width = drawn.labels.shape
    objects = [{"label": label, "polygon": polygon} for label, polygon in drawn.polygons]
    return {"imgHeight": height, "imgWidth": width, "objects": objects}


LAYOUTS = {"synthetic": _write_cityscapes, "synthetic_bdd100k": _write_bdd100k}
