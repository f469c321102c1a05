"""Where a study's data come from: which data set, which folder, which splits."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fbnet.data.specs import LABELS, LabelSpec
from fbnet.strict import Where

Role = Literal["cityscapes", "cityscapes_test", "cityscapes_coarse", "bdd100k", "mapillary"]
"""What a data set is in the paper; a study says what stands there."""
Use = Literal["train", "evaluate", "predict"]
USES: dict[Role, tuple[Use, ...]] = {
    "cityscapes": ("train", "evaluate"),
    "cityscapes_test": ("predict",),
    "cityscapes_coarse": ("train",),
    "bdd100k": ("train", "evaluate"),
    "mapillary": ("train",),
}
"""What each is there for."""


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """What street scenes to draw, see `fbnet.data.synthetic`."""

    height: int
    width: int
    images: dict[str, int]
    """Number of scenes of each split."""
    seed: int = 0

    def check(self, where: Where) -> None:
        if not 32 <= self.height <= 1024 or not 64 <= self.width <= 2048:
            raise where.error("height", "and width must be from 32 x 64 to 1024 x 2048")
        if min(self.images.values(), default=0) < 1:
            raise where.error("images", "must give each split at least 1")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The data set that stands for one of the paper's in a study."""

    dataset: Literal[
        "synthetic",
        "synthetic_test",
        "synthetic_coarse",
        "synthetic_bdd100k",
        "synthetic_mapillary",
        "cityscapes",
        "cityscapes_test",
        "cityscapes_coarse",
        "bdd100k",
        "mapillary",
        "camvid",
    ]
    """`synthetic` scenes are drawn in the layout of Cityscapes, `synthetic_bdd100k` in that of BDD100K, and so on."""
    root: str
    """Folder of the raw data; an environment variable such as CITYSCAPES_ROOT overrides it, except for synthetic
    scenes."""
    train: str | None = None
    """Name of the split to train on."""
    evaluate: str | None = None
    """Name of the split to evaluate on."""
    predict: str | None = None
    """Name of the split to predict for a test server, without labels."""
    synthetic: SyntheticConfig | None = None

    def check(self, where: Where, role: Role) -> None:
        for use in ("train", "evaluate", "predict"):
            if use in USES[role] and getattr(self, use) is None:
                raise where.error(use, "is missing; name a split")
            if use not in USES[role] and getattr(self, use) is not None:
                raise where.error(use, f"has no use here; remove it, data.{role} needs {' and '.join(USES[role])}")
        if self.dataset.startswith("synthetic") != (self.synthetic is not None):
            raise where.error("synthetic", "belongs to the synthetic data sets, and only to them")
        if self.synthetic is not None:
            self.synthetic.check(where.key("synthetic"))
            for split in self.splits:
                if split not in self.synthetic.images:
                    raise where.key("synthetic").error("images", f"has no number for split {split!r}")

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
        return tuple(dict.fromkeys(split for split in (self.train, self.evaluate, self.predict) if split is not None))

    @property
    def root_variable(self) -> str:
        """The environment variable that overrides `root`; all of Cityscapes lies in one folder."""
        return f"{self.dataset.partition('_')[0].upper()}_ROOT"
