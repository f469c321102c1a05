"""Footprints of trainings, kept in the user's cache folder. Imports no torch.

Counting a footprint needs torch, which takes seconds to start. What was counted is kept by network, crop, batch size,
precision and width, with the hashes of the source files that it rests on and the version of torch. When one of these
has changed, or the file cannot be read, it is counted again.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import PositiveInt, ValidationError

from fbnet import paths
from fbnet.config.base import Config, Positive
from fbnet.config.labels import LabelSpec
from fbnet.config.runs import RunConfig
from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError
from fbnet.io.files import write_json
from fbnet.io.text import read_json
from fbnet.provenance.sources import module_files, source_hashes

FLOAT_BYTES = 4
BYTES = {"float32": 4, "bfloat16": 2}  # of an activation
COUNTED_BY = "fbnet.planning.footprint"
UNREADABLE = (InputError, OSError, RuntimeError, ValidationError)
"""Errors of a damaged file, of a folder that cannot be read, and of a user without home; the file counts as missing."""


class Footprint(Config):
    """Operations and memory of one training iteration."""

    operations: Positive
    """Multiply-adds of the forward pass per pixel, see `fbnet.models.flops`."""
    parameters: PositiveInt
    memory: PositiveInt
    """Bytes on the GPU: weights, gradients and momentum in float32; in bfloat16 a copy of the weights; activations that
    autograd keeps for the backward pass; logits of the crop's size in float32 with their gradient. Library workspaces
    come on top, and a compiled network keeps less."""


class _Kept(Config):
    """Content of a file."""

    training: dict
    made_from: dict
    footprint: Footprint


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Everything that the footprint of a training on a single GPU depends on."""

    run: RunConfig
    labels: LabelSpec
    training: TrainingConfig
    """Crop and batch size."""
    precision: Literal["float32", "bfloat16"]
    """Precision of the forward pass."""
    width: float
    """Width multiplier of backbone and head."""

    @cached_property
    def key(self) -> str:
        """Name of the footprint: the same for trainings that take the same."""
        return hashlib.sha256(json.dumps(self._described, sort_keys=True).encode()).hexdigest()

    def read(self) -> Footprint | None:
        """Return the kept footprint; None without one that holds."""
        try:
            kept = _Kept.model_validate(read_json(self._file, "damaged", "it is written again"))
        except UNREADABLE:
            return None
        return kept.footprint if (kept.training, kept.made_from) == (self._described, self._made_from) else None

    def keep(self, footprint: Footprint) -> None:
        """Keep a footprint that was counted; without effect where the folder cannot be written."""
        kept = _Kept(training=self._described, made_from=self._made_from, footprint=footprint)
        with suppress(OSError, RuntimeError):
            write_json(self._file, kept.model_dump())

    @property
    def _file(self) -> Path:
        return paths.estimate_file(self.key)

    @cached_property
    def _described(self) -> dict:
        """The training, in plain values as JSON has them."""
        described = {
            "network": self.run.network_key,
            "classes": len(self.labels.classes),
            "foreground": len(self.labels.foreground),
            "crop": self.training.crop,
            "batch_size": self.training.batch_size,
            "precision": self.precision,
            "width": self.width,
        }
        return json.loads(json.dumps(described))

    @cached_property
    def _made_from(self) -> dict:
        """Hashes of the source files, and the version of torch, which is read without loading it."""
        files = module_files(COUNTED_BY, (self.run.head, self.run.backbone))
        return {"sources": source_hashes(files), "torch": metadata.version("torch")}
