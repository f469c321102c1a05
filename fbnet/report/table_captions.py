"""Captions of tables: quantities, scale, training, seeds and comparability of their numbers."""

from collections.abc import Collection, Mapping
from statistics import mean

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.runs import TableConfig
from fbnet.config.study import Study
from fbnet.config.training import TrainingConfig
from fbnet.report.captions import comparable, comparison, of_paper_classes, width
from fbnet.report.results import Metrics, Scores

PARTS = {
    "initial_weights": "initial weights",
    "ohem": "OHEM",
    "class_weights": "class weights",
    "image_weights": "weights of rarity",
    "class_uniform": "class-uniform sampling",
    "photometric": "colour jitter and blur",
}
"""Optional parts of a training, in the order of `TrainingConfig.recipe`."""
QUOTED = "Rows marked “quoted” are methods of others, with the numbers that the paper prints for them."
MARKS = {"coarse": "† coarse labels in the training", "mapillary": "‡ pre-training on Mapillary Vistas"}


def table_caption(
    study: Study, name: str, metrics: list[Metrics], *, complete: bool, unlike: Mapping[str, list[str]]
) -> str:
    """Return a table's caption without its name, in one line.

    Args:
        study: the study.
        name: the table's.
        metrics: of all evaluated runs and seeds in the table.
        complete: True if no run and seed is missing.
        unlike: differences between what the numbers of a row were computed in, by run, see `fbnet.report.alike`.
    """
    table, own = study.table(name), study.is_own(name)
    data = study.data_of(_runs(study, table)[0])
    sentences = [
        f"{table.title}.",
        f"Study {study.name}: {study.settings.description}.",
        _quantities(study, data, table, own=own),
        _evaluated(study, data, table, metrics),
        _mirrored(metrics),
        _test(study, table) if "test_miou" in table.columns else "",
        _trained(study, table, metrics),
        _other_recipes(study, table),
        _seeds(study, table, complete),
        _unlike(unlike),
        QUOTED if set(table.rows) & set(study.quoted) and of_paper_classes(data) else "",
        _comparison(study, data, table, own=own),
        table.note,
    ]
    return " ".join(filter(None, sentences))


def _comparison(study: Study, data: DataConfig, table: TableConfig, *, own: bool) -> str:
    if own and data.synthetic is None:
        return "This is not one of the paper's tables."
    return comparison(study, data, test="test_miou" in table.columns)


def _runs(study: Study, table: TableConfig) -> list[str]:
    return [row for row in table.rows if row in study.runs]


def _quantities(study: Study, data: DataConfig, table: TableConfig, *, own: bool) -> str:
    difference = ", “difference” ours minus that one" if comparable(study, data) else ""
    compared = of_paper_classes(data) and not own
    paper = f"; “paper” is the number that the paper prints{difference}" if compared else ""
    parts = [f"IoU in percent, mIoU over {len(data.labels.classes)} classes{paper}."]
    if "f_miou" in table.columns:
        parts.append(f"f-mIoU is the mean IoU of the {len(data.labels.foreground)} foreground classes.")
    if "miou_gain" in table.columns:
        parts.append(_gain(study, table))
    if "gflops" in table.columns:
        parts.append("GFLOPs are counted as in the paper, for an image of 1024 × 1024.")
    if "training_minutes" in table.columns:
        parts.append("Training is the number of epochs times the fastest one, which other work slowed least.")
    if marks := [text for column, text in MARKS.items() if column in table.describe]:
        parts.append(f"{', '.join(marks)}.")
    return " ".join(parts)


def _gain(study: Study, table: TableConfig) -> str:
    """Sentence on gains; it names the table's baseline, and those that are themselves compared with another one."""
    interval = ", with its 95 % confidence interval by Student's t" if len(study.settings.seeds) > 1 else ""
    if table.baseline is not None:
        return f"Gain is the difference to {study.run(table.baseline).label}, seed by seed{interval}."
    pairs = [(run.label, study.runs.get(run.baseline)) for run in map(study.run, _runs(study, table))]
    others = [f", for {label} to {to.label}" for label, to in pairs if to is not None and to.baseline is not None]
    return f"Gain is the difference to the baseline of the same architecture{''.join(others)}, seed by seed{interval}."


def _evaluated(study: Study, data: DataConfig, table: TableConfig, metrics: list[Metrics]) -> str:
    images = f"{metrics[0].images} images of the " if metrics else ""
    evaluation = study.evaluation(table.evaluation)
    where = f"{images}data set {data.dataset}, split {data.evaluate}, {_how(evaluation)}"
    if "test_miou" in table.columns:
        return f"mIoU is that on {where}; rows that are trained on this split have none."
    return f"Evaluated on {where}."


def _mirrored(metrics: list[Metrics]) -> str:
    """Sentence with the means over seeds of the mirrored scores, where these were asked for."""
    by_run: dict[str, list[Scores]] = {}
    for entry in metrics:
        if entry.mirrored is not None:
            by_run.setdefault(entry.run, []).append(entry.mirrored)
    rows = [
        f"{run} {_percent([s.miou for s in found])} ({_percent([s.f_miou for s in found])})"
        for run, found in by_run.items()
    ]
    return f"mIoU (and f-mIoU) of the mean with the mirror image: {', '.join(rows)}." if rows else ""


def _percent(rates: list[float | None]) -> str:
    known = [100 * rate for rate in rates if rate is not None]
    return f"{mean(known):.1f}" if known else "–"


def _test(study: Study, table: TableConfig) -> str:
    if study.data.dataset != "cityscapes":
        return f"Test mIoU stays a dash: the Cityscapes test server does not score the data set {study.data.dataset}."
    evaluation = study.evaluation(study.export_scales)
    how = "made in the same way" if evaluation == study.evaluation(table.evaluation) else f"made {_how(evaluation)}"
    return (
        f"Test mIoU is what the Cityscapes test server returned for predictions {how}; a dash stands until it is "
        f"entered in {paths.SERVER_SCORES}."
    )


def _how(evaluation: EvaluationConfig) -> str:
    factors = ", ".join(f"{scale:g}" for scale in evaluation.scales)
    scales = "a single scale" if evaluation.scales == (1.0,) else f"the scales {factors}"
    mirror = ", each with its mirror image" if evaluation.mirror else ""
    window = "whole image at once"
    if evaluation.mode != "whole":
        tile, stride = evaluation.tile, evaluation.stride
        window = f"sliding window of {tile[0]} × {tile[1]} in steps of {stride[0]} × {stride[1]}"
    return f"at {scales}{mirror}, {window}"


def _trained(study: Study, table: TableConfig, metrics: list[Metrics]) -> str:
    """Sentence on the study's training, limited to what the table's runs use of it."""
    plain = [run for run in _runs(study, table) if study.run(run).recipe is None]
    training = _used(study.settings.training, study, plain)
    steps = sorted({entry.iterations for entry in metrics if entry.run in plain})
    iterations = f" ({' or '.join(map(str, steps))} iterations)" if steps else ""
    recipe = "".join(f", with {part}" for part in training.recipe)
    return (
        f"Trained at {width(study)}, crop {training.crop[0]} × {training.crop[1]}, "
        f"{training.epochs} epochs, batch {training.batch_size}{iterations}{recipe}."
    )


def _used(training: TrainingConfig, study: Study, runs: Collection[str]) -> TrainingConfig:
    """A training without initial weights and tile sizes of other runs."""
    backbones = {study.run(run).backbone for run in runs if study.initial_weights(run) is not None}
    files = {name: file for name, file in (training.initial_weights or {}).items() if name in backbones}
    sampling = training.class_uniform
    if sampling is not None:
        roles = {role for run in runs for role in study.run(run).roles}
        tiles = {role: side for role, side in sampling.tile.items() if role in roles}
        sampling = sampling.model_copy(update={"tile": tiles})
    return training.model_copy(update={"initial_weights": files or None, "class_uniform": sampling})


def _other_recipes(study: Study, table: TableConfig) -> str:
    """Sentence on recipes, of the table's runs and of those they start from, that differ from the study's training."""
    ancestors = dict.fromkeys(ancestor for run in _runs(study, table) for ancestor in study.ancestors(run))
    phrases = {}
    for run in map(study.run, ancestors):
        parts = _changes(study.settings.training, study.training_of(run.id))
        parts += [f"starting from {run.start}"] if run.start else []
        parts += [f"on data set {study.data_of(run.id).dataset}"] if run.id not in table.rows else []
        if parts:
            phrases[f"{run.recipe or run.id}: {', '.join(parts)}"] = None
    return f"Recipes that change this – {'; '.join(phrases)}." if phrases else ""


def _changes(training: TrainingConfig, recipe: TrainingConfig) -> list[str]:
    """Phrases for the settings that a recipe changes."""
    changed = [key for key, value in recipe if value != getattr(training, key)]
    numbers = [_number(key, getattr(recipe, key)) for key in changed if key not in PARTS]
    on = recipe.model_copy(update={key: None for key in PARTS if key not in changed}).recipe
    off = [PARTS[key] for key in PARTS if key in changed and getattr(recipe, key) is None]
    without = " and ".join(filter(None, (", ".join(off[:-1]), *off[-1:])))
    return [*numbers, *(f"with {part}" for part in on), *([f"without {without}"] if off else [])]


def _number(key: str, value: float | tuple[float, ...]) -> str:
    if key == "crop":
        return f"crop {value[0]} × {value[1]}"
    if key == "scale":
        return f"resizing by {value[0]:g} to {value[1]:g}"
    if key == "epochs":
        return f"{value} epochs"
    return f"{key.removesuffix('_size').replace('_', ' ')} {value:g}"


def _unlike(unlike: Mapping[str, list[str]]) -> str:
    rows = [f"{run}: {', '.join(phrases)}" for run, phrases in unlike.items()]
    return f"Not computed alike, seeds and baseline included – {'; '.join(rows)}." if rows else ""


def _seeds(study: Study, table: TableConfig, complete: bool) -> str:
    seeds = study.settings.seeds
    fewer = any(run in study.settings.fewer_seeds for run in _runs(study, table))
    over = "the seeds of a row, the first ones" if fewer else f"{len(seeds)} seeds"
    missing = "" if complete else "; a dash or a smaller number of seeds marks what is not evaluated yet"
    if len(seeds) == 1:
        return f"Seed {seeds[0]}; one seed carries no spread{missing}."
    return f"Seeds {', '.join(map(str, seeds))}; ± is the sample standard deviation over {over}{missing}."
