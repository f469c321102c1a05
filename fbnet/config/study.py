"""Runs and studies as dataclasses: what `params/` may hold, and what a study says of its runs.

A run says which network is trained, a study at which scale and on which data. Nothing here imports torch, so that
planning and reporting stay fast.
"""

from dataclasses import asdict, dataclass, field, replace

from fbnet import paths
from fbnet.config.datasets import DataConfig, Role
from fbnet.config.evaluation import EvaluationConfig, Scales, ScalesConfig
from fbnet.config.runs import MAX_WIDTH, FigureConfig, FigureRuns, QuotedMethod, RunConfig, TableConfig
from fbnet.config.strict import Where
from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """What `params/studies/<study>.yaml` holds."""

    description: str
    data: dict[Role, DataConfig]
    """By the paper's data set that it stands for."""
    training: TrainingConfig
    recipes: dict[str, TrainingConfig] = field(default_factory=dict)
    """Other trainings, by the names that runs know; in the file, each is a short delta over `training`."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    multi_scale: ScalesConfig | None = None
    """The scales of the tables that are of more than one; null where the study has no such table."""
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
            data.check(where.key("data").key(role), role)
        if "cityscapes" not in self.data:
            raise where.error("data", "names no data set for 'cityscapes'")
        self._check_prepared_apart(where.key("data"))
        self.training.check(where.key("training"))
        for name, recipe in self.recipes.items():
            recipe.check(where.key("recipes").key(name))
        self.evaluation.check(where.key("evaluation"))
        if self.multi_scale is not None:
            self.multi_scale.check(where.key("multi_scale"))
        if not 0 < self.width <= MAX_WIDTH:
            raise where.error("width", f"must be above 0 and at most {MAX_WIDTH}")
        if self.training.initial_weights is not None and self.width != 1:
            raise where.error("width", "must be 1 with training.initial_weights, which are of full width")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise where.error("seeds", "must be one or more different numbers from 0 up")

    def _check_prepared_apart(self, where: Where) -> None:
        """Each data set is prepared in a folder of its own name."""
        datasets = [data.dataset for data in self.data.values()]
        for role, data in self.data.items():
            if datasets.count(data.dataset) > 1:
                raise where.key(role).error("dataset", f"{data.dataset} stands twice; name each data set once")


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

    def training_of(self, run: str) -> TrainingConfig:
        """How a run is trained."""
        return self.settings.recipes.get(self.runs[run].recipe, self.settings.training)

    def training_splits(self, run: str) -> tuple[str, ...]:
        """The splits of its data set that a run is trained on."""
        data = self.data_of(run)
        return (data.train,) if self.runs[run].split == "train" else (data.train, data.evaluate)

    def evaluation_of(self, run: str, scales: Scales) -> EvaluationConfig:
        """How a run is evaluated. Raises InputError where no labelled image is left for it, or no scales are named."""
        if not self.run(run).evaluated:
            raise InputError(f"{run}: no labelled images are left to evaluate it on; use `fbnet export`")
        return self.evaluation(scales)

    def centroids_of(self, run: str) -> tuple[tuple[Role, str, int], ...]:
        """Of which data sets, splits and tiles a run needs the classes' centroids; none where it is not sampled so."""
        sampling = self.training_of(run).class_uniform
        if sampling is None:
            return ()
        parts = [(self.runs[run].data, split) for split in self.training_splits(run)]
        if self.runs[run].coarse_classes:
            parts.append(("cityscapes_coarse", self.settings.data["cityscapes_coarse"].train))
        return tuple((role, split, sampling.tile[role]) for role, split in parts)

    def evaluation(self, scales: Scales) -> EvaluationConfig:
        """How images are evaluated. Raises InputError for multi-scale evaluation where the study has none."""
        if scales == "single_scale":
            return self.settings.evaluation
        several = self.settings.multi_scale
        if several is None:
            raise InputError(f"{paths.study_file(self.name)}: multi_scale: is missing; name the scales")
        return replace(self.settings.evaluation, scales=several.scales, mirror=several.mirror)

    @property
    def export_scales(self) -> Scales:
        """At which scales the test server's images are predicted: at several, where the study has them."""
        return "single_scale" if self.settings.multi_scale is None else "multi_scale"

    def ancestors(self, run: str) -> tuple[str, ...]:
        """A run with the runs that it builds on, the first to be trained first."""
        parent = self.runs[run].start
        return (run,) if parent is None else (*self.ancestors(parent), run)

    def training_parameters(self, run: str) -> dict:
        """All parameters that the trained network of a run depends on, the seed and the run it starts from apart.

        What is switched off is left out, so that a network stays valid when there is more to be switched on.
        """
        training = asdict(self.training_of(run))
        parameters = {
            "network": self.runs[run].network_key,
            "width": self.settings.width,
            "training": {key: value for key, value in training.items() if value is not None},
            "data": self.data_of(run).source,
            "splits": self.training_splits(run),
        }
        if self.runs[run].coarse_classes:
            coarse = self.settings.data["cityscapes_coarse"]
            parameters |= {"coarse": coarse.source, "coarse_classes": self.runs[run].coarse_classes}
        return parameters

    def run(self, run: str) -> RunConfig:
        """One of the study's runs. Raises InputError for another name."""
        if run not in self.runs:
            raise InputError(f"study {self.name}: no run {run!r}; choose from {', '.join(self.runs)}")
        return self.runs[run]

    def compared_runs(self, table: str) -> tuple[str, ...]:
        """The runs whose results a table takes: its rows, and the baselines that their gains are measured against.

        Raises InputError for a table that the study does not have.
        """
        rows = [row for row in self.table(table).rows if row in self.runs]
        baselines = [self.runs[row].baseline for row in rows]
        return tuple(dict.fromkeys([*rows, *(run for run in baselines if run in self.runs)]))

    def runs_of_table(self, table: str) -> tuple[str, ...]:
        """All runs that are trained for a table, parents before those that start from them.

        Raises InputError for a table that the study does not have.
        """
        return tuple(dict.fromkeys(link for run in self.compared_runs(table) for link in self.ancestors(run)))

    def roles_of_table(self, table: str) -> tuple[Role, ...]:
        """The paper's data sets that a table's runs take. Raises InputError for a table that it does not have."""
        return tuple(dict.fromkeys(role for run in self.runs_of_table(table) for role in self.runs[run].roles))

    def data_of_table(self, table: str) -> DataConfig:
        """The data set of a table's runs. Raises InputError for a table that the study does not have."""
        return self.data_of(next(row for row in self.table(table).rows if row in self.runs))

    def initial_weights(self, run: str) -> str | None:
        """The entry of `initial_weights` that a run starts from; None where it starts from scratch or another run."""
        files = self.training_of(run).initial_weights
        return None if files is None or self.runs[run].start is not None else files[self.runs[run].backbone]

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
