"""Runs and studies as data: reads `params/`, checks it, and hands out dataclasses.

A run says which network is trained, a study at which scale and on which data. Nothing here imports torch, so that
planning and reporting stay fast.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import yaml

from fbnet import paths
from fbnet.data.source import DataConfig
from fbnet.errors import InputError
from fbnet.recipe import EvaluationConfig, TrainingConfig
from fbnet.strict import Where, from_mapping

STAGES = ("res2", "res3", "res4", "res5")
DESCRIPTIONS = ("method", "backbone", *STAGES, "pce", "bwbce", "conv", "dfm")
COLUMNS = ("miou", "miou_gain", "f_miou", "f_miou_gain", "iou", "gflops")


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
    head: Literal["fcn", "fcn_plain", "pspnet", "deeplabv3plus"]
    backbone: Literal["resnet50", "resnet101", "wider_resnet38"]
    stem: Literal["deep", "plain"] = "deep"
    """How a ResNet begins: with three 3x3 convolutions, or with torchvision's single 7x7."""
    balance: BalanceConfig
    data: Literal["cityscapes", "bdd100k"] = "cityscapes"
    """The paper's data set that it is trained and evaluated on; a study says what stands in for it."""
    baseline: str | None = None
    """The run that its gain is measured against."""

    def check(self, where: Where) -> None:
        self.balance.check(where.key("balance"))
        if self.stem == "plain" and self.backbone == "wider_resnet38":
            raise where.error("stem", f"'plain' is a ResNet's, and {self.backbone} has no choice; leave it out")

    @property
    def architecture(self) -> dict:
        """What the network depends on, without what tables say of it."""
        return {"head": self.head, "backbone": self.backbone, "stem": self.stem, "balance": asdict(self.balance)}


@dataclass(frozen=True, kw_only=True)
class QuotedMethod:
    """A method of others, whose numbers the paper quotes and which is not trained here."""

    label: str
    """How tables call it."""
    backbone: str | None = None
    """As the paper prints it."""


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """One of the paper's tables."""

    title: str
    describe: tuple[Literal[DESCRIPTIONS], ...]
    columns: tuple[Literal[COLUMNS], ...]
    rows: tuple[str, ...]
    """Runs, and quoted methods."""
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
class StudyFile:
    """What `params/studies/<study>.yaml` holds."""

    description: str
    data: dict[Literal["cityscapes", "bdd100k"], DataConfig]
    """By the paper's data set that it stands for."""
    training: TrainingConfig
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    width: float = 1.0
    """Width multiplier of backbone and head."""
    seeds: tuple[int, ...]
    runs: tuple[str, ...] = ()
    """The runs to train; none means all of `params/runs.yaml`. Tables leave out the rows of other runs."""
    tables: tuple[str, ...]
    figures: tuple[str, ...]
    figure_runs: FigureRuns | None = None
    """In place of those of `params/runs.yaml`."""

    def check(self, where: Where) -> None:
        for role, data in self.data.items():
            data.check(where.key("data").key(role))
        if "cityscapes" not in self.data:
            raise where.error("data", "names no data set for 'cityscapes'")
        self.training.check(where.key("training"))
        self._check_class_weights(where.key("training"))
        self._check_tiles(where.key("training").key("class_uniform"))
        self.evaluation.check(where.key("evaluation"))
        if not 0 < self.width <= 4:
            raise where.error("width", "must be above 0 and at most 4")
        if self.training.initial_weights is not None and self.width != 1:
            raise where.error("width", "must be 1 with training.initial_weights, which are of full width")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise where.error("seeds", "must be one or more different numbers from 0 up")

    def _check_tiles(self, where: Where) -> None:
        sampling = self.training.class_uniform
        if sampling is not None and set(sampling.tile) != set(self.data):
            raise where.error("tile", f"must have a side for each data set: {', '.join(self.data)}")

    def _check_class_weights(self, where: Where) -> None:
        weights = self.training.class_weights
        for data in self.data.values():
            classes = data.labels.classes
            if weights is not None and len(weights) != len(classes):
                raise where.error(
                    "class_weights",
                    f"holds {len(weights)} numbers, but {data.dataset} has {len(classes)} classes; "
                    f"give one for each of {', '.join(classes)}",
                )


@dataclass(frozen=True, kw_only=True)
class RunsFile:
    """What `params/runs.yaml` holds, its defaults already in its runs."""

    runs: dict[str, RunConfig]
    quoted: dict[str, QuotedMethod]
    tables: dict[str, TableConfig]
    figures: dict[str, FigureConfig]
    figure_runs: FigureRuns


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study with everything that it names looked up."""

    name: str
    settings: StudyFile
    runs: dict[str, RunConfig]
    """The study's runs, in the order of `params/runs.yaml`."""
    quoted: dict[str, QuotedMethod]
    tables: dict[str, TableConfig]
    """The study's tables, without rows of runs that it does not train."""
    figures: dict[str, FigureConfig]
    figure_runs: FigureRuns

    @property
    def data(self) -> DataConfig:
        """The data set that stands in for Cityscapes, which figures show."""
        return self.settings.data["cityscapes"]

    def data_of(self, run: str) -> DataConfig:
        """The data set that a run is trained and evaluated on."""
        return self.settings.data[self.runs[run].data]

    def training_parameters(self, run: str) -> dict:
        """All parameters that the trained network of a run depends on, the seed apart.

        What is switched off is left out, so that a network stays valid when there is more to be switched on.
        """
        training = asdict(self.settings.training)
        return {
            "network": self.runs[run].architecture,
            "width": self.settings.width,
            "training": {key: value for key, value in training.items() if value is not None},
            "data": self.data_of(run).source,
            "split": self.data_of(run).train,
        }

    def run(self, run: str) -> RunConfig:
        """One of the study's runs. Raises InputError for another name."""
        if run not in self.runs:
            raise InputError(f"study {self.name}: no run {run!r}; choose from {', '.join(self.runs)}")
        return self.runs[run]

    def data_of_table(self, table: str) -> DataConfig:
        """The data set of a table's runs. Raises InputError for a table that the study does not have."""
        return self.data_of(next(row for row in self.table(table).rows if row in self.runs))

    def initial_weights(self, run: str) -> str | None:
        """The entry of a run's initial weights, see `fbnet.weights`; None where it is trained from scratch."""
        entries = self.settings.training.initial_weights
        return None if entries is None else entries[self.runs[run].backbone]

    def role(self, role: str) -> DataConfig:
        """What stands in for one of the paper's data sets. Raises InputError for another name."""
        if role not in self.settings.data:
            raise InputError(f"study {self.name}: no data {role!r}; choose from {', '.join(self.settings.data)}")
        return self.settings.data[role]

    def table(self, table: str) -> TableConfig:
        """One of the study's tables. Raises InputError for another name."""
        if table not in self.tables:
            raise InputError(f"study {self.name}: no table {table!r}; choose from {', '.join(self.tables)}")
        return self.tables[table]

    def figure(self, figure: str) -> FigureConfig:
        """One of the study's figures. Raises InputError for another name."""
        if figure not in self.figures:
            raise InputError(f"study {self.name}: no figure {figure!r}; choose from {', '.join(self.figures)}")
        return self.figures[figure]

    def check_seed(self, seed: int) -> None:
        """Raises InputError unless the study has this seed."""
        if seed not in self.settings.seeds:
            raise InputError(
                f"study {self.name}: no seed {seed}; choose from {', '.join(map(str, self.settings.seeds))}"
            )


def read_yaml(path: Path) -> dict:
    """A YAML file's mapping. Raises InputError where there is none."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; run in the repository's root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold keys and values")
    return content


def load_runs() -> RunsFile:
    """`params/runs.yaml`, checked. Raises InputError."""
    content = read_yaml(paths.RUNS_FILE)
    where = Where(str(paths.RUNS_FILE))
    defaults = content.pop("defaults", {})
    if not isinstance(content.get("runs"), dict) or not isinstance(defaults, dict):
        raise where.error("runs", "and defaults must hold keys and values")
    content["runs"] = {
        name: _with_defaults(name, delta, defaults, where.key("runs").key(name))
        for name, delta in content["runs"].items()
    }
    runs = from_mapping(RunsFile, content, where)
    _check_names(runs, where)
    return runs


def load_study(name: str) -> Study:
    """A study by its name, with its runs, tables and figures. Raises InputError."""
    path = paths.study_file(name)
    if not path.is_file():
        choices = ", ".join(sorted(file.stem for file in paths.STUDIES.glob("*.yaml")))
        raise InputError(f"{path}: no such study {name!r}; choose from {choices or 'none: run in the repository root'}")
    where = Where(str(path))
    settings = from_mapping(StudyFile, read_yaml(path), where)
    settings.check(where)
    declared = load_runs()

    names = _study_runs(settings, declared, where)
    tables = _study_tables(settings, declared, names, where)
    figure_runs = settings.figure_runs or declared.figure_runs
    if settings.figures:
        _chosen((figure_runs.baseline, figure_runs.fbnet), names, where.key("figure_runs"))
    return Study(
        name=name,
        settings=settings,
        runs={run: declared.runs[run] for run in declared.runs if run in names},
        quoted=declared.quoted,
        tables=tables,
        figures={
            figure: declared.figures[figure]
            for figure in _chosen(settings.figures, declared.figures, where.key("figures"))
        },
        figure_runs=figure_runs,
    )


def _with_defaults(name: str, delta: object, defaults: dict, where: Where) -> dict:
    if not isinstance(delta, dict):
        raise where.error(None, "must hold keys and values")
    balance = delta.get("balance", {})
    if not isinstance(balance, dict):
        raise where.error("balance", "must hold keys and values")
    return {**defaults, **delta, "id": name, "balance": {**defaults.get("balance", {}), **balance}}


def _check_names(runs: RunsFile, where: Where) -> None:
    """Every run id is a plain word, and every run that is named is declared."""
    for name, run in runs.runs.items():
        if not name.replace("_", "").isalnum() or not name.isascii() or not name.islower():
            raise where.key("runs").error(name, "must be of lower-case letters, digits and underscores")
        run.check(where.key("runs").key(name))
        if run.baseline is not None:
            _chosen((run.baseline,), runs.runs, where.key("runs").key(name).key("baseline"))
    for name, table in runs.tables.items():
        rows = where.key("tables").key(name).key("rows")
        _chosen(table.rows, {**runs.runs, **runs.quoted}, rows)
        if len({runs.runs[row].data for row in table.rows if row in runs.runs}) != 1:
            raise rows.error(None, "must hold runs on one data set, at least one of them")
    _chosen((runs.figure_runs.baseline, runs.figure_runs.fbnet), runs.runs, where.key("figure_runs"))


def _chosen(names: tuple[str, ...], choices, where: Where) -> tuple[str, ...]:
    for name in names:
        if name not in choices:
            raise where.error(None, f"no {name!r}; choose from {', '.join(choices)}")
    return names


def _study_runs(settings: StudyFile, declared: RunsFile, where: Where) -> tuple[str, ...]:
    """The runs that a study names, or all whose data it has."""
    here = tuple(name for name, run in declared.runs.items() if run.data in settings.data)
    names = _chosen(settings.runs or here, declared.runs, where.key("runs"))
    for name in names:
        if name not in here:
            raise where.error("runs", f"{name} needs a data set for data.{declared.runs[name].data}")
        weights, backbone = settings.training.initial_weights, declared.runs[name].backbone
        if weights is not None and backbone not in weights:
            raise where.key("training").error("initial_weights", f"has no file for {backbone}, which {name} needs")
    return names


def _study_tables(
    settings: StudyFile, declared: RunsFile, names: tuple[str, ...], where: Where
) -> dict[str, TableConfig]:
    """The study's tables, without the rows of runs that it does not train."""
    tables = {}
    for name in _chosen(settings.tables, declared.tables, where.key("tables")):
        table = declared.tables[name]
        if not set(table.rows) & set(names):
            runs = ", ".join(row for row in table.rows if row in declared.runs)
            raise where.error("tables", f"{name} would have no row; it needs one of the runs {runs}")
        tables[name] = replace(table, rows=tuple(row for row in table.rows if row in {*names, *declared.quoted}))
    return tables
