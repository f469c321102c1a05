"""How a drawn scene is written into the folders of each data set: its image, and its labels in the ids used there."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from fbnet.config.labels import CITYSCAPES
from fbnet.data.readers.mapillary_labels import V1_2, V2_0
from fbnet.data.synthetic.canvas import RAW_IDS
from fbnet.data.synthetic.scene import Scene

# Invented cities of each split of Cityscapes.
CITIES = {
    "train": ("aldermoor", "brennick", "cortavel"),
    "val": ("dunhalde", "ellwick"),
    "test": ("farnholt", "gellmar"),
    "train_extra": ("hestwick", "ildenau", "jorvaal"),
}
_FRAME = 19  # the labelled frame of each sequence in Cityscapes
_UNLABELLED = 0  # the raw id of Cityscapes

# What the things of a scene are called in Mapillary Vistas; those with two names were divided in version 2.0.
_MAPILLARY_NAMES = {
    "ego vehicle": ("void--ego-vehicle",),
    "static": ("void--unlabeled", "void--static"),
    "dynamic": ("void--unlabeled", "void--dynamic"),
    "road": ("construction--flat--road",),
    "sidewalk": ("construction--flat--sidewalk",),
    "building": ("construction--structure--building",),
    "wall": ("construction--barrier--wall",),
    "fence": ("construction--barrier--fence",),
    "pole": ("object--support--pole",),
    "traffic light": ("object--traffic-light", "object--traffic-light--general-upright"),
    "traffic sign": ("object--traffic-sign--front",),
    "vegetation": ("nature--vegetation",),
    "terrain": ("nature--terrain",),
    "sky": ("nature--sky",),
    "person": ("human--person", "human--person--individual"),
    "rider": ("human--rider--bicyclist",),
    "car": ("object--vehicle--car",),
    "truck": ("object--vehicle--truck",),
    "bus": ("object--vehicle--bus",),
    "train": ("object--vehicle--on-rails",),
    "motorcycle": ("object--vehicle--motorcycle",),
    "bicycle": ("object--vehicle--bicycle",),
}


def coarse(labels: np.ndarray) -> np.ndarray:
    """Labels (H, W) as a quick annotator leaves them: only well inside of things, and nothing of what is too thin.

    A pixel keeps its raw id if all pixels around it, as far as a 128th of the height, have the same.
    """
    reach = 2 * max(1, round(labels.shape[0] / 128)) + 1
    whole = Image.fromarray(labels)
    lowest, highest = (np.asarray(whole.filter(kind(reach))) for kind in (ImageFilter.MinFilter, ImageFilter.MaxFilter))
    return np.where(lowest == highest, labels, _UNLABELLED).astype(np.uint8)


def _write_cityscapes(root: Path, split: str, index: int, drawn: Scene) -> None:
    city, stem = _cityscapes_name(split, index)
    _save(drawn.image, root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
    annotations = root / "gtFine" / split / city
    _save(drawn.labels, annotations / f"{stem}_gtFine_labelIds.png")
    polygons = json.dumps(_annotation(drawn))
    (annotations / f"{stem}_gtFine_polygons.json").write_text(polygons + "\n", encoding="utf-8")


def _write_coarse(root: Path, split: str, index: int, drawn: Scene) -> None:
    """The layout of Cityscapes' coarse annotations, without their polygons."""
    city, stem = _cityscapes_name(split, index)
    _save(drawn.image, root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
    _save(coarse(drawn.labels), root / "gtCoarse" / split / city / f"{stem}_gtCoarse_labelIds.png")


def _write_bdd100k(root: Path, split: str, index: int, drawn: Scene) -> None:
    """JPEG frames, and label maps that hold train ids."""
    stem = f"{('train', 'val').index(split):08x}-{index:08x}"
    _save(drawn.image, root / "images/10k" / split / f"{stem}.jpg")
    _save(CITYSCAPES.train_ids[drawn.labels], root / "labels/sem_seg/masks" / split / f"{stem}.png")


def _write_mapillary(root: Path, split: str, index: int, drawn: Scene) -> None:
    """JPEG images, and label maps of both versions, each with the configuration file that says what its ids are."""
    stem = f"{split[0]}{index:021d}"  # names have 22 characters there
    _save(drawn.image, root / split / "images" / f"{stem}.jpg")
    for version, names in (("v1.2", V1_2), ("v2.0", V2_0)):
        config = root / f"config_{version}.json"
        if not config.exists():
            config.write_text(json.dumps({"labels": [{"name": name} for name in names]}, indent=1) + "\n")
        _save(_mapillary_ids(names)[drawn.labels], root / split / version / "labels" / f"{stem}.png")


def _mapillary_ids(names: tuple[str, ...]) -> np.ndarray:
    """(256,) uint8: the id in a version of Mapillary's labels of each raw id that scenes use."""
    ids = np.zeros(256, dtype=np.uint8)
    for label, choices in _MAPILLARY_NAMES.items():
        ids[RAW_IDS[label]] = names.index([name for name in choices if name in names][-1])
    return ids


def _cityscapes_name(split: str, index: int) -> tuple[str, str]:
    """City, and `<city>_<sequence>_<frame>`."""
    cities = CITIES[split]
    city = cities[index % len(cities)]
    return city, f"{city}_{index // len(cities):06d}_{_FRAME:06d}"


def _annotation(drawn: Scene) -> dict:
    """What Cityscapes keeps in a polygons file."""
    height, width = drawn.labels.shape
    objects = [{"label": label, "polygon": polygon} for label, polygon in drawn.polygons]
    return {"imgHeight": height, "imgWidth": width, "objects": objects}


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    quality = {"quality": 95} if path.suffix == ".jpg" else {}
    Image.fromarray(pixels).save(path, **quality)


@dataclass(frozen=True)
class Layout:
    """Folder layout of a dataset."""

    write: Callable[[Path, str, int, Scene], None]
    """Writes a scene, given the root, split and index."""
    sizes: tuple[tuple[float, float], ...] = ((1, 1),)
    """Shares of the configured height and width that the scenes take in turn."""


FINE = Layout(_write_cityscapes)
COARSE = Layout(_write_coarse)
BDD100K = Layout(_write_bdd100k)
MAPILLARY = Layout(_write_mapillary, sizes=((1, 1), (1, 0.75), (0.875, 1)))
