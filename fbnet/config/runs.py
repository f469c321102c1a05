"""Runs, tables and figures: the contents of `params/runs.yaml`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from fbnet.config.base import BackboneName, Config, FigureName, HeadName, Items, Word, refuse
from fbnet.config.datasets import Role
from fbnet.config.evaluation import Scales
from fbnet.config.registry import backbone_entry

MAX_WIDTH = 4  # a checkpoint must not make its reader build a network of any size
STAGES = ("res2", "res3", "res4", "res5")
DESCRIPTIONS = (
    "method", "venue", "backbone", *STAGES, "pce", "bwbce", "conv", "dfm", "trained_on", "coarse", "mapillary",
)  # fmt: skip
COLUMNS = (
    "miou", "miou_gain", "f_miou", "f_miou_gain", "iou", "iou_gain", "gflops", "parameters", "training_minutes",
    "test_miou",
)  # fmt: skip
Width = Annotated[float, Field(gt=0, le=MAX_WIDTH)]
"""Multiplier of the channels of every layer."""


RunId = Annotated[str, Field(pattern="^[a-z0-9_]{1,100}$")]


class BalanceConfig(Config):
    """Feature balance module of one run (Sec. 3)."""

    stages: Items[Literal[STAGES]] = ()
    """Backbone stages that the module follows; none for a baseline."""
    auxiliary: Literal["bwbce", "pce", "none"] = "bwbce"
    """Loss on its output: block-wise BCE (Sec. 3.1), point-wise cross-entropy (Table 4), or none."""
    modulator: Literal["dfm", "conv", "none"] = "dfm"
    """Source of X_o: the dual feature modulator (Sec. 3.2), a 1x1 convolution (Table 4), or none."""
    weight: NonNegativeFloat = 1.0
    """lambda_1 of Eq. 8, for each stage."""
    squeeze_ratio: PositiveInt = 1
    """The channel sensor's hidden layer has C / squeeze_ratio channels; 1 is the single layer of Eq. 6.
    NOTE other values are not in the paper."""
    ignored: Literal["skip", "negative"] = "skip"
    """Blocks without a labelled pixel are left out of the loss, or count as negative (Eq. 2 to the letter).
    NOTE the paper does not speak of ignored pixels."""
    init: Literal["identity"] | None = None
    """What the module does before it is trained: null adds X_o as it is, about a quarter of the features to themselves.
    NOTE not in the paper: with `identity` a learned scale of X_o starts at 0, so the features pass unchanged."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.stages)) != len(self.stages):
            raise refuse("names a stage twice; name each once", "stages")
        if self.stages and self.auxiliary == self.modulator == "none":
            raise refuse("stages without auxiliary loss and modulator do nothing; leave them empty", "stages")
        if self.init is not None and self.modulator == "none":
            raise refuse("belongs to a modulator; leave it out", "init")
        return self


class RunConfig(Config):
    """One row of the paper's tables."""

    id: Word
    """Its key in the file."""
    label: str
    """Name in tables."""
    head: HeadName
    """Segmentation head."""
    backbone: BackboneName
    """Backbone network."""
    stem: Literal["deep", "plain"] = "deep"
    """First layers of a ResNet: three 3x3 convolutions, or torchvision's single 7x7."""
    output_stride: Literal[8, 16, 32] | None = None
    """Largest stride of the backbone's features, deeper convolutions being dilated instead; null for 8."""
    balance: BalanceConfig
    data: Literal["cityscapes", "bdd100k", "mapillary"] = "cityscapes"
    """Dataset of the paper that the run is trained and evaluated on; a study names its substitute."""
    split: Literal["train", "trainval"] = "train"
    """Images to train on; `trainval` is for the test server, as no labelled image is left to evaluate on."""
    coarse_classes: Items[str] = ()
    """Classes that are drawn from Cityscapes' coarsely annotated images as well; none leaves these images out."""
    start: str | None = None
    """Run whose trained network it starts from, with the same seed; null for `initial_weights`."""
    recipe: str | None = None
    """Entry of the study's `recipes` that it is trained by; null for the study's `training` as it is."""
    baseline: str | None = None
    """Run that its gain is measured against."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        entry = backbone_entry(self.backbone)
        for key, choices in {"stem": entry.stems, "output_stride": (None, *entry.output_strides)}.items():
            value = getattr(self, key)
            if value not in choices:
                known = ", ".join(str(choice) for choice in choices if choice is not None)
                raise refuse(f"{self.backbone} has no {value!r}; choose from {known}", key)
        if self.data != "cityscapes" and (self.coarse_classes or self.split != "train"):
            key = "coarse_classes" if self.coarse_classes else "split"
            raise refuse("is for Cityscapes only; leave it out for other data", key)
        return self

    @property
    def evaluated(self) -> bool:
        """True if labelled images are left to evaluate the run on; otherwise the test server does."""
        return self.split == "train" and self.data != "mapillary"

    @property
    def roles(self) -> tuple[Role, ...]:
        """Datasets of the paper that its training and evaluation need."""
        coarse = ("cityscapes_coarse",) if self.coarse_classes else ()
        test = ("cityscapes_test",) if self.split == "trainval" else ()
        return (self.data, *coarse, *test)

    @property
    def network_key(self) -> dict:
        """Parameters of the network, without those of tables; what is left open is left out."""
        return self.model_dump(include={"head", "backbone", "stem", "output_stride", "balance"}, exclude_none=True)

    @property
    def training_key(self) -> dict:
        """Parameters of the trained network that the run sets."""
        return {"network": self.network_key, **self.model_dump(include={"data", "split", "coarse_classes", "start"})}


class QuotedMethod(Config):
    """A method by others whose numbers the paper quotes; it is not trained here."""

    label: str
    """Name in tables."""
    backbone: str | None = None
    """Backbone as the paper prints it."""
    venue: str | None = None
    """Venue as the paper prints it."""
    coarse: bool = False
    """True if the paper marks it as trained on coarse annotations as well."""
    mapillary: bool = False
    """True if the paper marks it as pre-trained on Mapillary Vistas."""


class TableConfig(Config):
    """One of the paper's tables, or one of a study's own."""

    title: str
    describe: Items[Literal[DESCRIPTIONS]]
    """Columns that describe a row."""
    columns: Items[Literal[COLUMNS]]
    """Columns of results."""
    rows: Items[str]
    """Runs and quoted methods."""
    evaluation: Scales = "single_scale"
    """Evaluation of the study to use: `evaluation`, or the same at the scales of `multi_scale`."""
    baseline: str | None = None
    """Row that gains are differences to; none means the baseline of each row's run."""
    note: str = ""

    def result_columns(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Columns of results, with one for each class in place of `iou`, and of `iou_gain`."""
        by_class = {"iou": tuple(classes), "iou_gain": tuple(f"{name}_gain" for name in classes)}
        return tuple(part for key in self.columns for part in by_class.get(key, (key,)))


class FigureConfig(Config):
    """One of the paper's figures, or of our own."""

    title: str
    all_seeds: bool = False
    """True if it shows all seeds of its runs, false if the study's first."""
    shows: Literal["metrics", "samples", "measurements"] = "metrics"
    """What it is drawn from: metrics of evaluations, sample images besides, or measurements of feature camouflage."""


class FigureRuns(Config):
    """The runs that a study's figures show."""

    baseline: str
    fbnet: str


class RunsFile(Config):
    """Contents of `params/runs.yaml`, with the defaults merged into the runs."""

    runs: dict[RunId, RunConfig]
    quoted: dict[Word, QuotedMethod]
    """Methods by others, with numbers that the paper quotes."""
    tables: dict[Word, TableConfig]
    figures: dict[FigureName, FigureConfig]
    figure_runs: FigureRuns

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, run in self.runs.items():
            check_names((run.baseline,) if run.baseline else (), self.runs, f"runs.{name}.baseline")
            self._check_start(run)
        for name, table in self.tables.items():
            self.check_rows(table, f"tables.{name}.rows")
        check_names(dict(self.figure_runs).values(), self.runs, "figure_runs")
        return self

    def check_rows(self, table: TableConfig, key: str) -> None:
        """Check that rows are quoted methods and runs on one dataset; raises a validation error for the key."""
        check_names(table.rows, {**self.runs, **self.quoted}, key)
        if len({self.runs[row].data for row in table.rows if row in self.runs}) != 1:
            raise refuse("must hold runs on one dataset, at least one of them", key)

    def _check_start(self, run: RunConfig) -> None:
        """Check that a run starts from a run of the same network, and not from itself through others."""
        chain, key = [run], f"runs.{run.id}.start"
        while (start := chain[-1].start) is not None:
            check_names((start,), self.runs, key)
            parent = self.runs[start]
            if parent in chain:
                raise refuse(f"leads back to {start}; a chain of runs needs a beginning", key)
            if (parent.head, parent.backbone) != (run.head, run.backbone):
                raise refuse(f"{start} has another head or backbone; start from a run of the same network", key)
            chain.append(parent)


def ancestors(runs: Mapping[str, RunConfig], run: str) -> tuple[str, ...]:
    """Return a run after the runs that it builds on, the first to be trained first."""
    parent = runs[run].start
    return (run,) if parent is None else (*ancestors(runs, parent), run)


def check_names(names: Iterable[str], choices: Iterable[str], key: str) -> None:
    """Check that names are among the choices; raises a validation error for the key."""
    for name in names:
        if name not in choices:
            raise refuse(f"no {name!r}; choose from {', '.join(choices)}", key)
