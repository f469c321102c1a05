"""Hand-made raw data, and the data set CamVid in the folder `raw`."""

import numpy as np
from PIL import Image

from fbnet.config.datasets import DataConfig

CAMVID_DATA = DataConfig(dataset="camvid", root="raw", train="train", evaluate="test")
TRAIN = CAMVID_DATA.packed_name("train")
MANIFEST = rf"data/{TRAIN}/manifest\.json"
SIZE = (6, 10)


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def scene(seed, ids, size=SIZE):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8), rng.choice(np.array(ids, dtype=np.uint8), size)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])
