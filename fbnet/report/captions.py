"""What captions of tables and figures say about study, data set and comparability of their numbers."""

from fbnet.config.datasets import DataConfig
from fbnet.config.labels import CITYSCAPES
from fbnet.config.study import Study

PAPER_DATA = {"cityscapes": "Cityscapes", "bdd100k": "BDD100K", "mapillary": "Mapillary Vistas"}


def display_name(name: str) -> str:
    """Return the paper's name of a table or figure, such as `Table 1` for `table_1`."""
    return name.replace("_", " ").capitalize()


def figure_source(study: Study) -> str:
    """Return the sentences naming a figure's study, data set and seed."""
    return (
        f"Study {study.name}: {study.settings.description}. Data set {study.data.dataset}, split "
        f"{study.data.evaluate}; seed {study.settings.seeds[0]}, the study's first."
    )


def paired_source(study: Study, seeds: int, *, bars: bool = True) -> str:
    """Return the sentences naming runs, study, data set and number of seeds of a figure of all paired seeds.

    Args:
        study: the study.
        seeds: number of seeds with results of both runs.
        bars: True if intervals are drawn as bars.
    """
    baseline, fbnet = (study.run(run) for run in (study.figure_runs.baseline, study.figure_runs.fbnet))
    drawn = "; bars are 95 % confidence intervals by Student's t" if bars else ""
    spread = drawn if seeds > 1 else "; one seed carries no interval"
    return (
        f"{fbnet.label} ({fbnet.id}) and {baseline.label} ({baseline.id}), mean over {seeds} paired "
        f"seed{'s' * (seeds > 1)}{spread}. Study {study.name}: {study.settings.description}. Data set "
        f"{study.data.dataset}, split {study.data.evaluate}. {comparison(study, study.data)}"
    )


def width(study: Study) -> str:
    """Return the model size of a study in words."""
    return "full width" if study.settings.width == 1 else f"{study.settings.width:g} of the full width"


def comparable(study: Study, data: DataConfig) -> bool:
    """Return True if data set, split and model size are the paper's, so that numbers may be compared with it."""
    theirs = data.synthetic is None and data.dataset == _role(study, data) and data.evaluate == "val"
    return theirs and study.settings.width == 1


def of_paper_classes(data: DataConfig) -> bool:
    """Return True if a data set has the paper's classes, so that the paper's numbers may stand beside ours."""
    return data.labels.classes == CITYSCAPES.classes


def comparison(study: Study, data: DataConfig, *, test: bool = False) -> str:
    """Return the sentence on comparing numbers on one of the study's data sets with the paper's.

    Args:
        study: the study.
        data: the data set that the numbers are from.
        test: True for the paper's test set, False for its validation set.
    """
    theirs = f"({PAPER_DATA[_role(study, data)]} {'test' if test else 'validation'} set, full models)"
    if data.synthetic is not None:
        return (
            f"These are demonstration numbers on generated scenes: they are not comparable with the paper's {theirs} "
            "and say nothing about the method."
        )
    if comparable(study, data):
        which, whose = (" of the test mIoU", f"the paper's {theirs}") if test else ("", "the paper's")
        return f"Data set, split and model size{which} are {whose}; the study says where the training differs."
    models = "full models" if study.settings.width == 1 else f"models of width {study.settings.width:g}"
    return (
        f"The numbers are not comparable with the paper's {theirs}: these are of {models} on the data set "
        f"{data.dataset}, split {data.evaluate}."
    )


def _role(study: Study, data: DataConfig) -> str:
    """The paper's data set that one of the study's data sets stands in for."""
    return next(role for role, entry in study.settings.data.items() if entry is data)
