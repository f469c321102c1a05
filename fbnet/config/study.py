"""Studies: the contents of `params/studies/<study>.yaml`, and a study with its runs, tables and figures.

A run says which network is trained, a study at which scale and on which data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from fbnet import paths
from fbnet.config.base import Config, Items, Word, refuse
from fbnet.config.datasets import DataConfig, Role, check_role
from fbnet.config.evaluation import EvaluationConfig, Scales, ScalesConfig
from fbnet.config.runs import FigureConfig, FigureRuns, QuotedMethod, RunConfig, RunId, TableConfig, Width, ancestors
from fbnet.config.training import TrainingConfig
from fbnet.errors import InputError

T = TypeVar("T")
ALIKE = ("precision", "deterministic", "threads")
"""Settings of a training that are the same for all runs of a study."""


class StudyFile(Config):
    """Contents of `params/studies/<study>.yaml`, with the training merged into the recipes."""

    description: str
    data: dict[Role, DataConfig]
    """Datasets by the paper's dataset that they substitute for."""
    training: TrainingConfig
    recipes: dict[str, TrainingConfig] = Field(default_factory=dict)
    """Other trainings, by the names that runs use; in the file, each is a short delta over `training`."""
    evaluation: EvaluationConfig = EvaluationConfig()
    multi_scale: ScalesConfig | None = None
    """Scales of the multi-scale tables; null if the study has no such table."""
    width: Width = 1.0
    """Width multiplier of backbone and head."""
    seeds: Annotated[Items[NonNegativeInt], Field(min_length=1)]
    fewer_seeds: dict[RunId, PositiveInt] = Field(default_factory=dict)
    """Runs that are trained with the first seeds only, and with how many of them."""
    runs: Items[str] = ()
    """Runs to train; none means those of its tables and figures. Tables leave out the rows of other runs."""
    tables: Items[str]
    """Tables of the paper."""
    own_tables: dict[Word, TableConfig] = Field(default_factory=dict)
    """Tables that are not the paper's, and show none of its numbers."""
    figures: Items[str] = ()
    figure_runs: FigureRuns | None = None
    """Replaces the `figure_runs` of `params/runs.yaml`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "cityscapes" not in self.data:
            raise refuse("names no dataset for 'cityscapes'", "data")
        datasets = [data.dataset for data in self.data.values()]
        for role, data in self.data.items():
            check_role(role, data)
            if datasets.count(data.dataset) > 1:
                raise refuse(f"{data.dataset} stands twice; name each dataset once", f"data.{role}.dataset")
        for name, key in product(self.recipes, ALIKE):
            wanted = getattr(self.training, key)
            if getattr(self.recipes[name], key) != wanted:
                problem = f"must be {wanted}, as in training: a study's numbers are set beside each other"
                raise refuse(problem, f"recipes.{name}.{key}")
        if self.training.initial_weights is not None and self.width != 1:
            raise refuse("must be 1 with training.initial_weights, which are of full width", "width")
        if len(set(self.seeds)) != len(self.seeds):
            raise refuse("must be different numbers", "seeds")
        for run, number in self.fewer_seeds.items():
            if number > len(self.seeds):
                raise refuse(f"must be at most the {len(self.seeds)} of the study, not {number}", f"fewer_seeds.{run}")
        return self


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study with everything that it names."""

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
        """Substitute for Cityscapes, which figures show."""
        return self.settings.data["cityscapes"]

    def seeds_of(self, run: str) -> tuple[int, ...]:
        """Seeds that a run is trained with, the study's first one among them."""
        return self.settings.seeds[: self.settings.fewer_seeds.get(run)]

    def seeds_of_figure(self, figure: str, run: str) -> tuple[int, ...]:
        """Seeds of a run that a figure shows."""
        return self.seeds_of(run) if self.figures[figure].all_seeds else self.settings.seeds[:1]

    @property
    def measured_runs(self) -> tuple[str, ...]:
        """Runs whose feature camouflage is measured, for the figures that show it."""
        shown = any(figure.shows == "measurements" for figure in self.figures.values())
        return tuple(dict.fromkeys(dict(self.figure_runs).values())) if shown else ()

    def is_own(self, table: str) -> bool:
        """Return True for a table that is not the paper's."""
        return table in self.settings.own_tables

    def data_of(self, run: str) -> DataConfig:
        """Dataset that a run is trained and evaluated on."""
        return self.settings.data[self.runs[run].data]

    def training_of(self, run: str) -> TrainingConfig:
        """Training of a run."""
        return self.settings.recipes.get(self.runs[run].recipe, self.settings.training)

    def training_splits(self, run: str) -> tuple[str, ...]:
        """Splits of its dataset that a run is trained on."""
        data = self.data_of(run)
        return (data.train,) if self.runs[run].split == "train" else (data.train, data.evaluate)

    def evaluation_of(self, run: str, scales: Scales) -> EvaluationConfig:
        """Evaluation of a run. Raises InputError if no labelled image is left for it or the study names no scales."""
        if not self.run(run).evaluated:
            raise InputError(f"{run}: no labelled images are left to evaluate it on; use `fbnet submit`")
        return self.evaluation(scales)

    def centroids_of(self, run: str) -> tuple[tuple[Role, str, int], ...]:
        """(dataset, split, tile) triples needed for class-uniform sampling; none if a run does not use it."""
        sampling = self.training_of(run).class_uniform
        if sampling is None:
            return ()
        parts = [(self.runs[run].data, split) for split in self.training_splits(run)]
        if self.runs[run].coarse_classes:
            parts.append(("cityscapes_coarse", self.settings.data["cityscapes_coarse"].train))
        return tuple((role, split, sampling.tile[role]) for role, split in parts)

    @property
    def splits(self) -> tuple[tuple[Role, str], ...]:
        """(dataset, split) pairs that the study uses."""
        return tuple((role, split) for role, data in self.settings.data.items() for split in data.splits)

    @property
    def centroids(self) -> tuple[tuple[Role, str, int], ...]:
        """(dataset, split, tile) triples that the runs need for class-uniform sampling, each once."""
        return tuple(dict.fromkeys(part for run in self.runs for part in self.centroids_of(run)))

    def evaluation(self, scales: Scales) -> EvaluationConfig:
        """Evaluation at the given scales. Raises InputError for multi-scale evaluation if the study has none."""
        if scales == "single_scale":
            return self.settings.evaluation
        several = self.settings.multi_scale
        if several is None:
            raise InputError(f"{paths.study_file(self.name)}: multi_scale: is missing; name the scales")
        return self.settings.evaluation.model_copy(update={**dict(several), "also_mirrored": False})

    @property
    def export_scales(self) -> Scales:
        """Scales at which the test server's images are predicted: several if the study has them."""
        return "single_scale" if self.settings.multi_scale is None else "multi_scale"

    def ancestors(self, run: str) -> tuple[str, ...]:
        """Return a run after the runs that it builds on, the first to be trained first."""
        return ancestors(self.runs, run)

    def training_parameters(self, run: str) -> dict:
        """Return the parameters that a trained network depends on, except the seed and those of the results it reads.

        Parts that are switched off are left out, so that a network stays valid if a new part is added.
        """
        parameters = {
            "network": self.runs[run].network_key,
            "width": self.settings.width,
            "training": {key: value for key, value in self.training_of(run).model_dump().items() if value is not None},
            "data": self.data_of(run).dataset,
            "splits": self.training_splits(run),
            **self.data_of(run).classes("classes", *(("foreground",) if self.runs[run].balance.stages else ())),
        }
        if self.runs[run].coarse_classes:
            parameters["coarse_classes"] = self.runs[run].coarse_classes
        return parameters

    def run(self, run: str) -> RunConfig:
        """Return one of the study's runs. Raises InputError for another name."""
        return self._named("run", run, self.runs)

    def compared_runs(self, table: str) -> tuple[str, ...]:
        """Return the runs whose results a table shows: its rows and their baselines.

        Raises InputError if the study does not have the table.
        """
        rows = [row for row in self.table(table).rows if row in self.runs]
        baselines = [self.baseline_in(self.table(table), row) for row in rows]
        return tuple(dict.fromkeys([*rows, *filter(None, baselines)]))

    def baseline_in(self, table: TableConfig, run: str) -> str | None:
        """Return the run that the gains of a row are differences to; None for a row without gains."""
        baseline = table.baseline or self.runs[run].baseline
        return baseline if baseline != run and baseline in self.runs else None

    def runs_of_table(self, table: str) -> tuple[str, ...]:
        """Return the runs that are trained for a table, each after the run that it starts from.

        Raises InputError if the study does not have the table.
        """
        return tuple(dict.fromkeys(link for run in self.compared_runs(table) for link in self.ancestors(run)))

    def roles_of_table(self, table: str) -> tuple[Role, ...]:
        """Return the paper's datasets that a table's runs need. Raises InputError for an unknown table."""
        return tuple(dict.fromkeys(role for run in self.runs_of_table(table) for role in self.runs[run].roles))

    def data_of_table(self, table: str) -> DataConfig:
        """Return the dataset of a table's runs. Raises InputError for an unknown table."""
        return self.data_of(next(row for row in self.table(table).rows if row in self.runs))

    def initial_weights(self, run: str) -> str | None:
        """Entry of `initial_weights` that a run starts from; None if it starts from scratch or from another run."""
        files = self.training_of(run).initial_weights
        return None if files is None or self.runs[run].start is not None else files[self.runs[run].backbone]

    def role(self, role: str) -> DataConfig:
        """Return the substitute for one of the paper's datasets. Raises InputError for another name."""
        return self._named("data", role, self.settings.data)

    def table(self, table: str) -> TableConfig:
        """Return one of the study's tables. Raises InputError for another name."""
        return self._named("table", table, self.tables)

    def figure(self, figure: str) -> FigureConfig:
        """Return one of the study's figures. Raises InputError for another name."""
        return self._named("figure", figure, self.figures)

    def check_seed(self, run: str, seed: int) -> None:
        """Raise InputError unless the study trains the run with the seed."""
        self._named("seed", seed, dict.fromkeys(self.seeds_of(run)))

    def _named(self, kind: str, name: object, choices: Mapping[Any, T]) -> T:
        if name not in choices:
            raise InputError(f"study {self.name}: no {kind} {name!r}; choose from {', '.join(map(str, choices))}")
        return choices[name]
