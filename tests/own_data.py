"""Data sets of one's own, made by hand: pictures of coloured blocks, and files that describe them."""

import json
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

COLOURS = {
    "road": (128, 64, 128),
    "house": (70, 70, 70),
    "tree": (107, 142, 35),
    "pole": (153, 153, 153),
    "rider": (255, 0, 0),
}
SIZE = (64, 96)
STREETS = {
    "root": "streets",
    "root_variable": "STREETS_ROOT",
    "splits": {
        split: {"images": f"images/{split}/*.png", "labels": f"labels/{split}/*.png"} for split in ("train", "val")
    },
    "classes": {name: {"colour": list(colour), "rgb": [list(colour)]} for name, colour in COLOURS.items()},
    "foreground": ["pole", "rider"],
}


def blocks(seed: int, values: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Map (H, W) of random values below a number, in blocks of eight pixels."""
    height, width = size
    coarse = np.random.default_rng(seed).integers(0, values, (height // 8, width // 8), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8), np.uint8))


def photo(ids: np.ndarray) -> np.ndarray:
    """Noisy picture (H, W, 3) whose brightness follows a map of ids."""
    noise = np.random.default_rng(int(ids.sum())).integers(0, 60, (*ids.shape, 3))
    return (noise + 35 * ids[..., None].astype(int)).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def make_streets(root: Path, train: int = 6, val: int = 3) -> dict[str, np.ndarray]:
    """Write images and RGB label maps of the five classes of `COLOURS`, and return the train ids by name."""
    found = {}
    palette = np.array(list(COLOURS.values()), dtype=np.uint8)
    for split, number in (("train", train), ("val", val)):
        for index in range(number):
            name = f"{split}_{index:03d}"
            found[name] = ids = blocks(len(found), len(COLOURS))
            save(root / f"images/{split}/{name}.png", photo(ids))
            save(root / f"labels/{split}/{name}.png", palette[ids])
    return found


def describe(folder: Path, name: str = "streets", **changes: object) -> Path:
    """Write `params/datasets/<name>.yaml` with changes to `STREETS`; None removes a key."""
    content = json.loads(json.dumps(STREETS | changes))  # without references of one part to another
    file = folder / f"params/datasets/{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        yaml.safe_dump({key: value for key, value in content.items() if value is not None}, sort_keys=False)
    )
    return file
