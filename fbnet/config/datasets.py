"""Datasets of a study: which one substitutes for each dataset of the paper, its folder and its splits."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, PrivateAttr, model_validator

from fbnet import paths
from fbnet.config.base import Config, PathText, Word, refuse, registered
from fbnet.config.dataset_files import DatasetName, dataset_names, find_dataset
from fbnet.config.labels import LabelSpec
from fbnet.config.registry import ANY_SPLIT, DatasetEntry, SplitFiles
from fbnet.errors import InputError

Role = Literal["cityscapes", "cityscapes_test", "cityscapes_coarse", "bdd100k", "mapillary"]
"""A dataset of the paper, for which a study names a substitute."""
Use = Literal["train", "evaluate", "predict"]
USES: dict[Role, tuple[Use, ...]] = {
    "cityscapes": ("train", "evaluate"),
    "cityscapes_test": ("predict",),
    "cityscapes_coarse": ("train",),
    "bdd100k": ("train", "evaluate"),
    "mapillary": ("train",),
}
"""Uses of each role's splits."""
RoleName = Annotated[str, *registered(USES)]
"""A role that stays the string of the file, unlike a Literal: pickled checkpoints tell equal strings from the same."""


class SyntheticConfig(Config):
    """Synthetic street scenes to draw, see `fbnet.data.synthetic.write`."""

    height: Annotated[int, Field(ge=32, le=1024)]
    width: Annotated[int, Field(ge=64, le=2048)]
    images: Annotated[dict[str, PositiveInt], Field(min_length=1)]
    """Number of scenes of each split."""
    seed: NonNegativeInt = 0


class DataConfig(Config):
    """The dataset that substitutes for one of the paper's in a study."""

    dataset: DatasetName
    """A built-in dataset, or one that a file of `params/datasets/` describes. `synthetic` scenes are drawn in the
    layout of Cityscapes, `synthetic_bdd100k` in that of BDD100K, and so on."""
    root: PathText | None = None
    """Folder of the raw data; an environment variable such as CITYSCAPES_ROOT overrides it, except for synthetic
    scenes. May be left out if the dataset's own file names it."""
    train: Word | None = None
    """Name of the split to train on."""
    evaluate: Word | None = None
    """Name of the split to evaluate on."""
    predict: Word | None = None
    """Name of the split to predict for a test server, without labels."""
    synthetic: SyntheticConfig | None = None
    """Scenes to draw, for the synthetic datasets."""
    _entry: DatasetEntry = PrivateAttr()

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._entry = find_dataset(self.dataset)
        if self.folder is None:
            raise refuse("is missing", "root")
        if (self.entry.layout is not None) != (self.synthetic is not None):
            raise refuse("belongs to the synthetic datasets, and only to them", "synthetic")
        if self.synthetic is None:
            self._check_splits(self.entry.files)
            return self
        images, choices = self.synthetic.images, self.entry.scene_splits
        for split in images:
            if split not in choices:
                raise refuse(f"no split {split!r}; choose from {', '.join(choices)}", "synthetic.images")
        for split in self.splits:
            if split not in images:
                raise refuse(f"has no number for split {split!r}", "synthetic.images")
        return self

    def _check_splits(self, known: Mapping[str, SplitFiles]) -> None:
        """Check that the dataset has the splits that are named, if it says which it has."""
        for use in ("train", "evaluate", "predict"):
            split = getattr(self, use)
            if split is not None and known and split not in known and ANY_SPLIT not in known:
                raise refuse(f"no split {split!r}; choose from {', '.join(known)}", use)

    @property
    def entry(self) -> DatasetEntry:
        """All facts about the dataset, as they were when the configuration was checked."""
        return self._entry

    @property
    def folder(self) -> str:
        """Folder of the raw data unless an environment variable overrides it."""
        return self.root or self.entry.root

    @property
    def labels(self) -> LabelSpec:
        """Classes of the dataset."""
        return self.entry.labels

    @property
    def labelled(self) -> bool:
        """True if the prepared data hold label maps."""
        return self.entry.labelled

    @property
    def arrays(self) -> tuple[str, ...]:
        """Kinds of arrays that are packed of each split."""
        return paths.ARRAYS if self.labelled else ("images",)

    def packed_name(self, split: str) -> str:
        """Name of a packed split, `<dataset>/<split>-<key>`: whatever has other parameters has another key."""
        key = hashlib.sha256(json.dumps(self.source(split), sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.dataset}/{split}-{key}"

    def prepared_files(self, split: str) -> list[Path]:
        """Files that the preparation of a split writes, the manifest first."""
        return paths.prepared_files(self.packed_name(split), self.arrays)

    @property
    def raw_root(self) -> Path:
        """Folder of the raw data."""
        return Path(os.environ.get(self.entry.root_variable or "") or self.folder)

    @property
    def raw_root_hint(self) -> str:
        """Where to name the folder of the raw data."""
        file = "the study's data root" if self.root is not None else f"root in {self.entry.file}"
        return file if self.entry.root_variable is None else f"{self.entry.root_variable} or {file}"

    def source(self, split: str) -> dict:
        """Parameters that a packed split depends on, whatever folder an environment variable names."""
        named = {"dataset": self.dataset, "split": split}
        if self.synthetic is None:
            return {**named, "root": self.folder}
        return {**named, "scenes": self.synthetic.model_dump() | {"images": self.synthetic.images[split]}}

    def manifest(self, split: str) -> dict:
        """Parameters in the manifest of a packed split: its source, and the classes of a dataset of one's own."""
        label_set = self.entry.label_set
        if label_set is None:
            return self.source(split)
        raw_values = {name: {"ids": entry["ids"], "rgb": entry["rgb"]} for name, entry in label_set["classes"].items()}
        described = {"order": list(raw_values), "raw_values": raw_values, "ignored": label_set["ignore"]}
        return {**self.source(split), **json.loads(json.dumps(described))}

    def preparation(self, split: str) -> dict:
        """All parameters that the preparation of a split depends on; those of other readers are in their sources."""
        if not self.entry.files:
            return self.manifest(split)
        names = {key: pattern for key, pattern in asdict(self.entry.names).items() if key != "prediction"}
        return {**self.manifest(split), "files": asdict(self.entry.files_of(split)), "names": names}

    def list_file(self, split: str) -> Path | None:
        """Return the file that lists a split; None without one."""
        return self.entry.files_of(split).list_file(self.raw_root) if self.entry.files else None

    def classes(self, *facts: str) -> dict:
        """Return facts about the classes that a result depends on, keyed for its parameters.

        Those of a built-in dataset are in the source files that its record names; nothing is returned then.

        Args:
            facts: names of attributes of `LabelSpec`.
        """
        if self.entry.label_set is None:
            return {}
        return {"labels": {fact: list(getattr(self.labels, fact)) for fact in facts}}

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that the study uses."""
        return tuple(dict.fromkeys(split for split in (self.train, self.evaluate, self.predict) if split is not None))


def check_role(role: Role, data: DataConfig) -> None:
    """Check that a dataset has the splits and labels that its role needs; raises a validation error."""
    for use in ("train", "evaluate", "predict"):
        named = getattr(data, use) is not None
        if use in USES[role] and not named:
            raise refuse("is missing; name a split", f"data.{role}.{use}")
        if use not in USES[role] and named:
            needed = " and ".join(USES[role])
            raise refuse(f"has no use here; remove it, data.{role} needs {needed}", f"data.{role}.{use}")
    if data.labelled == (USES[role] == ("predict",)):
        fitting = [name for name in dataset_names() if name != data.dataset and _fits(name, labelled=not data.labelled)]
        problem = "is read with labels, which a test server keeps" if data.labelled else "has no labels"
        raise refuse(f"{data.dataset} {problem}; choose from {', '.join(fitting)}", f"data.{role}.dataset")


def _fits(dataset: str, *, labelled: bool) -> bool:
    """Return True if a dataset has labels, or has none, as asked; False if its file is damaged."""
    try:
        return find_dataset(dataset).labelled == labelled
    except InputError:
        return False
