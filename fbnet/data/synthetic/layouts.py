"""Folder layouts in which drawn scenes are written: images, and labels in the ids of each data set."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from fbnet.config.labels import CITYSCAPES
from fbnet.data.readers.mapillary_labels import CLASS_OF, V1_2, V2_0
from fbnet.data.synthetic.canvas import RAW_IDS
from fbnet.data.synthetic.scene import Scene

# Invented cities of each split of Cityscapes.
CITIES = {
    "train": ("aldermoor", "brennick", "cortavel"),
    "val": ("dunhalde", "ellwick"),
    "test": ("farnholt", "gellmar"),
    "train_extra": ("hestwick", "ildenau", "jorvaal"),
}
_FRAME = 19  # labelled frame of each sequence in Cityscapes
_UNLABELLED = 0  # raw id of Cityscapes

# Names in Mapillary Vistas of the labels of a scene. Most end in the name of their class in Cityscapes; labels with two
# names were divided in version 2.0.
_MAPILLARY_NAMES = {
    **{class_name: (name,) for name, class_name in CLASS_OF.items() if name.endswith(f"--{class_name}")},
    "ego vehicle": ("void--ego-vehicle",),
    "static": ("void--unlabeled", "void--static"),
    "dynamic": ("void--unlabeled", "void--dynamic"),
    "traffic light": ("object--traffic-light", "object--traffic-light--general-upright"),
    "traffic sign": ("object--traffic-sign--front",),
    "person": ("human--person", "human--person--individual"),
    "rider": ("human--rider--bicyclist",),
    "train": ("object--vehicle--on-rails",),
}


def coarse(labels: np.ndarray) -> np.ndarray:
    """Return labels (H, W) as a quick annotator draws them: the inside of objects, and nothing thin.

    A pixel keeps its raw id if all pixels within a 128th of the height have the same id.
    """
    reach = 2 * max(1, round(labels.shape[0] / 128)) + 1
    whole = Image.fromarray(labels)
    lowest, highest = (np.asarray(whole.filter(kind(reach))) for kind in (ImageFilter.MinFilter, ImageFilter.MaxFilter))
    return np.where(lowest == highest, labels, _UNLABELLED).astype(np.uint8)


def _write_cityscapes(root: Path, split: str, index: int, drawn: Scene) -> None:
    """Write PNG images, with label maps and polygons of fine annotations."""
    label_file = _cityscapes_files(root, split, index, drawn, "gtFine")
    _save(drawn.labels, label_file)
    height, width = drawn.labels.shape
    objects = [{"label": label, "polygon": polygon} for label, polygon in drawn.polygons]
    polygons = json.dumps({"imgHeight": height, "imgWidth": width, "objects": objects})
    file = label_file.with_name(label_file.name.replace("labelIds.png", "polygons.json"))
    file.write_text(polygons + "\n", encoding="utf-8")


def _write_coarse(root: Path, split: str, index: int, drawn: Scene) -> None:
    """Write PNG images, with label maps of coarse annotations."""
    _save(coarse(drawn.labels), _cityscapes_files(root, split, index, drawn, "gtCoarse"))


def _cityscapes_files(root: Path, split: str, index: int, drawn: Scene, annotation: str) -> Path:
    """Write an image, named `<city>_<sequence>_<frame>`, and return the path of its label map."""
    cities = CITIES[split]
    city = cities[index % len(cities)]
    stem = f"{city}_{index // len(cities):06d}_{_FRAME:06d}"
    _save(drawn.image, root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
    return root / annotation / split / city / f"{stem}_{annotation}_labelIds.png"


def _write_bdd100k(root: Path, split: str, index: int, drawn: Scene) -> None:
    """Write JPEG images, with label maps of train ids."""
    stem = f"{('train', 'val').index(split):08x}-{index:08x}"
    _save(drawn.image, root / "images/10k" / split / f"{stem}.jpg")
    _save(CITYSCAPES.train_ids[drawn.labels], root / "labels/sem_seg/masks" / split / f"{stem}.png")


def _write_mapillary(root: Path, split: str, index: int, drawn: Scene) -> None:
    """Write JPEG images, with label maps of both versions and the configuration files that name their ids."""
    stem = f"{split[0]}{index:021d}"  # 22 characters, as in the real data set
    _save(drawn.image, root / split / "images" / f"{stem}.jpg")
    for version, names in (("v1.2", V1_2), ("v2.0", V2_0)):
        config = root / f"config_{version}.json"
        if not config.exists():
            config.write_text(json.dumps({"labels": [{"name": name} for name in names]}, indent=1) + "\n")
        ids = np.zeros(256, dtype=np.uint8)
        for label, choices in _MAPILLARY_NAMES.items():
            ids[RAW_IDS[label]] = names.index([name for name in choices if name in names][-1])
        _save(ids[drawn.labels], root / split / version / "labels" / f"{stem}.png")


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
