"""Runs, tables and figures: the contents of `params/runs.yaml`."""

from dataclasses import asdict, dataclass
from typing import Literal

from fbnet.config.datasets import Role
from fbnet.config.evaluation import Scales
from fbnet.config.registry import BACKBONES, HEADS
from fbnet.config.strict import Where

MAX_WIDTH = 4  # multiplies every layer's channels
STAGES = ("res2", "res3", "res4", "res5")
DESCRIPTIONS = (
    "method", "venue", "backbone", *STAGES, "pce", "bwbce", "conv", "dfm", "trained_on", "coarse", "mapillary",
)  # fmt: skip
COLUMNS = ("miou", "miou_gain", "f_miou", "f_miou_gain", "iou", "gflops", "test_miou")


@dataclass(frozen=True, kw_only=True)
class BalanceConfig:
    """The feature balance module of one run (Sec. 3)."""

    stages: tuple[Literal["res2", "res3", "res4", "res5"], ...] = ()
    """The backbone stages after which it stands; none for a baseline."""
    auxiliary: Literal["bwbce", "pce", "none"] = "bwbce"
    """The loss on its output: block-wise BCE (Sec. 3.1), point-wise cross-entropy (Table 4), or none."""
    modulator: Literal["dfm", "conv", "none"] = "dfm"
    """What makes X_o: the dual feature modulator (Sec. 3.2), a 1x1 convolution (Table 4), or nothing."""
    weight: float = 1.0
    """lambda_1 of Eq. 8."""
    squeeze_ratio: int = 1
    """The channel sensor's hidden layer has C / squeeze_ratio channels; 1 is the single layer of Eq. 6.
    NOTE other values are not in the paper."""
    ignored: Literal["skip", "negative"] = "skip"
    """Blocks without a labelled pixel are left out of the loss, or count as negative (Eq. 2 to the letter).
    NOTE the paper does not speak of ignored pixels."""

    def check(self, where: Where) -> None:
        if len(set(self.stages)) != len(self.stages):
            raise where.error("stages", "names a stage twice; name each once")
        if self.stages and self.auxiliary == self.modulator == "none":
            raise where.error("stages", "stages without auxiliary loss and modulator do nothing; leave them empty")
        if self.squeeze_ratio < 1:
            raise where.error("squeeze_ratio", "must be at least 1")
        if self.weight < 0:
            raise where.error("weight", "must not be negative")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One row of the paper's tables."""

    id: str
    label: str
    """How tables call it."""
    head: str
    backbone: str
    stem: Literal["deep", "plain"] = "deep"
    """How a ResNet begins: with three 3x3 convolutions, or with torchvision's single 7x7."""
    balance: BalanceConfig
    data: Literal["cityscapes", "bdd100k", "mapillary"] = "cityscapes"
    """The paper's data set that it is trained and evaluated on; a study says what stands in for it."""
    split: Literal["train", "trainval"] = "train"
    """What of it: `trainval` is for the test server, as no labelled image is left to evaluate on."""
    coarse_classes: tuple[str, ...] = ()
    """Classes that are drawn from Cityscapes' coarsely annotated images as well; none leaves these images out."""
    start: str | None = None
    """The run whose trained network it starts from, with the same seed; null for `initial_weights`."""
    recipe: str | None = None
    """Which of the study's `recipes` it is trained by; null for the study's `training` as it is."""
    baseline: str | None = None
    """The run that its gain is measured against."""

    def check(self, where: Where) -> None:
        self.balance.check(where.key("balance"))
        for key, registry in (("head", HEADS), ("backbone", BACKBONES)):
            if getattr(self, key) not in registry:
                raise where.error(key, f"no {getattr(self, key)!r}; choose from {', '.join(registry)}")
        stems = BACKBONES[self.backbone].stems
        if self.stem not in stems:
            raise where.error("stem", f"{self.backbone} has no {self.stem!r}; choose from {', '.join(stems)}")
        if self.data != "cityscapes" and (self.coarse_classes or self.split != "train"):
            key = "coarse_classes" if self.coarse_classes else "split"
            raise where.error(key, "is a matter of Cityscapes; leave it out for other data")

    @property
    def evaluated(self) -> bool:
        """Whether labelled images are left to evaluate it on; otherwise the test server does."""
        return self.split == "train" and self.data != "mapillary"

    @property
    def roles(self) -> tuple[Role, ...]:
        """The paper's data sets that its training and evaluation take."""
        coarse = ("cityscapes_coarse",) if self.coarse_classes else ()
        test = ("cityscapes_test",) if self.split == "trainval" else ()
        return (self.data, *coarse, *test)

    @property
    def network_key(self) -> dict:
        """What the network depends on, without what tables say of it."""
        return {"head": self.head, "backbone": self.backbone, "stem": self.stem, "balance": asdict(self.balance)}

    @property
    def training_key(self) -> dict:
        """What its trained network depends on, as far as the run says it."""
        return {
            "network": self.network_key,
            "data": self.data,
            "split": self.split,
            "coarse_classes": self.coarse_classes,
            "start": self.start,
        }


@dataclass(frozen=True, kw_only=True)
class QuotedMethod:
    """A method of others, whose numbers the paper quotes and which is not trained here."""

    label: str
    """How tables call it."""
    backbone: str | None = None
    """As the paper prints it."""
    venue: str | None = None
    """Where it was published, as the paper prints it."""
    coarse: bool = False
    """Whether the paper marks it as trained on coarse annotations as well."""
    mapillary: bool = False
    """Whether the paper marks it as pre-trained on Mapillary Vistas."""


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """One of the paper's tables."""

    title: str
    describe: tuple[Literal[DESCRIPTIONS], ...]
    columns: tuple[Literal[COLUMNS], ...]
    rows: tuple[str, ...]
    """Runs, and quoted methods."""
    evaluation: Scales = "single_scale"
    """By which of a study's two evaluations: `evaluation`, or the same at the scales of `multi_scale`."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class FigureConfig:
    """One of the paper's figures."""

    title: str


@dataclass(frozen=True, kw_only=True)
class FigureRuns:
    """The runs that a study's figures show."""

    baseline: str
    fbnet: str


@dataclass(frozen=True, kw_only=True)
class RunsFile:
    """What `params/runs.yaml` holds, its defaults already in its runs."""

    runs: dict[str, RunConfig]
    quoted: dict[str, QuotedMethod]
    tables: dict[str, TableConfig]
    figures: dict[str, FigureConfig]
    figure_runs: FigureRuns
