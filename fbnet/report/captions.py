"""Says in words what a table's or figure's numbers are: on which data, at which scale, and how far they go."""

from fbnet.config import Study, TableConfig
from fbnet.data.source import DataConfig
from fbnet.report.results import Metrics

PAPER_DATA = {"cityscapes": "Cityscapes", "bdd100k": "BDD100K"}


def lead(name: str) -> str:
    """How the paper calls it, for example `Table 1` for `table_1`."""
    return name.replace("_", " ").capitalize()


def table_caption(study: Study, table: TableConfig, metrics: list[Metrics]) -> str:
    """The caption after the lead, as one line; `metrics` are those of all runs and seeds in the table."""
    runs = [row for row in table.rows if row in study.runs]
    data = study.data_of(runs[0])
    parts = [f"{table.title}.", _study(study), _quantities(data, table), _scale(study, data, metrics)]
    parts += [_seeds(study, complete=len(metrics) == len(runs) * len(study.settings.seeds))]
    parts += [_quoted(study, table), comparison(study, data), table.note]
    return " ".join(part for part in parts if part)


def figure_source(study: Study) -> str:
    """On which study, data and seed a figure stands."""
    return (
        f"{_study(study)} Data set {study.data.dataset}, split {study.data.evaluate}; "
        f"seed {study.settings.seeds[0]}, the study's first."
    )


def comparison(study: Study, data: DataConfig) -> str:
    """Whether numbers on one of this study's data sets may be held against the paper's."""
    width = study.settings.width
    role = next(role for role, entry in study.settings.data.items() if entry is data)
    theirs = f"({PAPER_DATA[role]} validation set, full models)"
    if data.synthetic is not None:
        return (
            f"These are demonstration numbers on generated scenes: they are not comparable with the paper's {theirs} "
            "and say nothing about the method."
        )
    if data.dataset == role and data.evaluate == "val" and width == 1:
        return "Data set, split and model size are the paper's; the study says where the training differs."
    models = "full models" if width == 1 else f"models of width {width:g}"
    return (
        f"The numbers are not comparable with the paper's {theirs}: these are of {models} on the data set "
        f"{data.dataset}, split {data.evaluate}."
    )


def _study(study: Study) -> str:
    return f"Study {study.name}: {study.settings.description}."


def _quoted(study: Study, table: TableConfig) -> str:
    if not set(table.rows) & set(study.quoted):
        return ""
    return "Rows marked “quoted” are methods of others, with the numbers that the paper prints for them."


def _quantities(data: DataConfig, table: TableConfig) -> str:
    foreground = data.labels.foreground
    parts = ["IoU in percent; “paper” is the number that the paper prints, “difference” ours minus that one."]
    if "f_miou" in table.columns:
        parts.append(f"f-mIoU is the mean IoU of the {len(foreground)} foreground classes.")
    if "miou_gain" in table.columns:
        parts.append("Gain is the difference to the baseline of the same architecture, seed by seed.")
    if "gflops" in table.columns:
        parts.append("GFLOPs are counted as in the paper, for an image of 1024 × 1024.")
    return " ".join(parts)


def _scale(study: Study, data: DataConfig, metrics: list[Metrics]) -> str:
    training = study.settings.training
    images = f"{metrics[0].images} images of the " if metrics else ""
    steps = sorted({entry.iterations for entry in metrics})
    width = "full width" if study.settings.width == 1 else f"{study.settings.width:g} of the full width"
    iterations = f" ({' or '.join(map(str, steps))} iterations)" if steps else ""
    recipe = "".join(f", with {part}" for part in training.recipe)
    return (
        f"Evaluated on {images}data set {data.dataset}, split {data.evaluate}, {_scales(study)}, "
        f"{_mode(study)}; trained at {width}, crop {training.crop[0]} × {training.crop[1]}, "
        f"{training.epochs} epochs, batch {training.batch_size}{iterations}{recipe}."
    )


def _scales(study: Study) -> str:
    evaluation = study.settings.evaluation
    factors = ", ".join(f"{scale:g}" for scale in evaluation.scales)
    scales = "a single scale" if evaluation.scales == (1.0,) else f"the scales {factors}"
    return f"at {scales}{', each with its mirror image' if evaluation.mirror else ''}"


def _mode(study: Study) -> str:
    evaluation = study.settings.evaluation
    if evaluation.mode == "whole":
        return "whole image at once"
    tile, stride = evaluation.tile, evaluation.stride
    return f"sliding window of {tile[0]} × {tile[1]} in steps of {stride[0]} × {stride[1]}"


def _seeds(study: Study, complete: bool) -> str:
    seeds = study.settings.seeds
    missing = "" if complete else "; a dash or a smaller number of seeds marks what is not evaluated yet"
    if len(seeds) == 1:
        return f"Seed {seeds[0]}; one seed carries no spread{missing}."
    return f"Seeds {', '.join(map(str, seeds))}; ± is the sample standard deviation over {len(seeds)} seeds{missing}."
