"""Where a study's data come from: which data set, which folder, which splits."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fbnet import paths
from fbnet.config.labels import LabelSpec
from fbnet.config.registry import DATASETS, DatasetEntry
from fbnet.config.strict import Where
from fbnet.names import WORD, is_path, is_word

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
MOST_SCENES = 100_000  # of a split; drawing so many takes days


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """What street scenes to draw, see `fbnet.data.synthetic.write`."""

    height: int
    width: int
    images: dict[str, int]
    """Number of scenes of each split."""
    seed: int = 0

    def check(self, where: Where) -> None:
        if not 32 <= self.height <= 1024 or not 64 <= self.width <= 2048:
            raise where.error("height", "and width must be from 32 x 64 to 1024 x 2048")
        if not all(1 <= images <= MOST_SCENES for images in self.images.values()) or not self.images:
            raise where.error("images", f"must give each split at least 1 and at most {MOST_SCENES}")
        if self.seed < 0:
            raise where.error("seed", "must be a number from 0 up")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The data set that stands for one of the paper's in a study."""

    dataset: str
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
        if self.dataset not in DATASETS:
            raise where.error("dataset", f"no {self.dataset!r}; choose from {', '.join(DATASETS)}")
        if not is_path(self.root):
            raise where.error("root", "must be the path of a folder")
        for use in ("train", "evaluate", "predict"):
            if getattr(self, use) is not None and not is_word(getattr(self, use)):
                raise where.error(use, WORD)
            if use in USES[role] and getattr(self, use) is None:
                raise where.error(use, "is missing; name a split")
            if use not in USES[role] and getattr(self, use) is not None:
                raise where.error(use, f"has no use here; remove it, data.{role} needs {' and '.join(USES[role])}")
        if self.labelled == (USES[role] == ("predict",)):
            fitting = [name for name, entry in DATASETS.items() if entry.labelled != self.labelled]
            problem = "is read with labels, which a test server keeps" if self.labelled else "has no labels"
            raise where.error("dataset", f"{self.dataset} {problem}; choose from {', '.join(fitting)}")
        if (self.entry.layout is not None) != (self.synthetic is not None):
            raise where.error("synthetic", "belongs to the synthetic data sets, and only to them")
        if self.synthetic is not None:
            if Path(self.root).name in ("", ".."):
                raise where.error("root", "must name a folder for the scenes alone, which is replaced as a whole")
            self._check_synthetic(self.synthetic, where.key("synthetic"))

    def _check_synthetic(self, synthetic: SyntheticConfig, where: Where) -> None:
        synthetic.check(where)
        for split in synthetic.images:
            if split not in self.entry.scene_splits:
                raise where.error("images", f"no split {split!r}; choose from {', '.join(self.entry.scene_splits)}")
        for split in self.splits:
            if split not in synthetic.images:
                raise where.error("images", f"has no number for split {split!r}")

    @property
    def entry(self) -> DatasetEntry:
        """Registered facts about the dataset."""
        return DATASETS[self.dataset]

    @property
    def labels(self) -> LabelSpec:
        return self.entry.labels

    @property
    def labelled(self) -> bool:
        """Whether the prepared data hold label maps."""
        return self.entry.labelled

    @property
    def arrays(self) -> tuple[str, ...]:
        """What is packed of each split."""
        return paths.ARRAYS if self.labelled else ("images",)

    @property
    def prepared_files(self) -> list[Path]:
        """The files that preparation makes, the manifest first."""
        return paths.prepared_files(self.dataset, self.splits, self.arrays)

    @property
    def raw_root(self) -> Path:
        if self.synthetic is not None:
            return Path(self.root)
        return Path(os.environ.get(self.entry.root_variable or "") or self.root)

    @property
    def source(self) -> dict:
        """What the prepared data are made from, as far as a study says it; not where the raw data happen to lie."""
        return {"dataset": self.dataset, "synthetic": None if self.synthetic is None else asdict(self.synthetic)}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the study uses."""
        return tuple(dict.fromkeys(split for split in (self.train, self.evaluate, self.predict) if split is not None))
