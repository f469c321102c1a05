"""Where a study's data come from: which data set, which folder, which splits."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fbnet.data.specs import LABELS, LabelSpec
from fbnet.strict import Where


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """What street scenes to draw, see `fbnet.data.synthetic`."""

    height: int
    width: int
    train: int
    """Number of training scenes."""
    val: int
    """Number of validation scenes."""
    seed: int = 0

    def check(self, where: Where) -> None:
        if not 32 <= self.height <= 1024 or not 64 <= self.width <= 2048:
            raise where.error("height", "and width must be from 32 x 64 to 1024 x 2048")
        if self.train < 1 or self.val < 1:
            raise where.error("train", "and val must be at least 1")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The data set that stands for one of the paper's in a study."""

    dataset: Literal["synthetic", "synthetic_bdd100k", "cityscapes", "bdd100k", "camvid"]
    """`synthetic` scenes are drawn in the layout of Cityscapes, `synthetic_bdd100k` in that of BDD100K."""
    root: str
    """Folder of the raw data; the environment variable <DATASET>_ROOT overrides it, except for synthetic scenes."""
    train: str
    """Name of the split to train on."""
    evaluate: str
    """Name of the split to evaluate on."""
    synthetic: SyntheticConfig | None = None

    def check(self, where: Where) -> None:
        if self.dataset.startswith("synthetic") != (self.synthetic is not None):
            raise where.error("synthetic", "belongs to the synthetic data sets, and only to them")
        if self.synthetic is not None:
            self.synthetic.check(where.key("synthetic"))
            if not {self.train, self.evaluate} <= {"train", "val"}:
                raise where.error("evaluate", "and train must be 'train' or 'val' for synthetic scenes")

    @property
    def labels(self) -> LabelSpec:
        return LABELS[self.dataset]

    @property
    def raw_root(self) -> Path:
        if self.synthetic is not None:
            return Path(self.root)
        return Path(os.environ.get(self.root_variable) or self.root)

    @property
    def source(self) -> dict:
        """What the prepared data are made from, as far as a study says it; not where the raw data happen to lie."""
        return {"dataset": self.dataset, "synthetic": None if self.synthetic is None else asdict(self.synthetic)}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the study uses."""
        return tuple(dict.fromkeys((self.train, self.evaluate)))

    @property
    def root_variable(self) -> str:
        """The environment variable that overrides `root`."""
        return f"{self.dataset.upper()}_ROOT"
