"""Scenes that several tests draw."""

from pathlib import Path

from fbnet.config.datasets import SyntheticConfig
from fbnet.data.synthetic import write as synthetic

SMALL = SyntheticConfig(height=32, width=64, images={"train": 4, "val": 3})
MEDIUM = SyntheticConfig(height=128, width=256, images={"train": 16, "val": 1})
# The ids of Cityscapes, independent of the code under test.
RAW_IDS = {
    **{"ego vehicle": 1, "static": 4, "dynamic": 5, "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13},
    **{"pole": 17, "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24},
    **{"rider": 25, "car": 26, "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33},
}


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def write_scenes(folder: Path, config: SyntheticConfig, dataset: str = "synthetic", split: str = "train") -> None:
    with synthetic.drawn_scenes(folder, config, split, dataset):
        pass
