"""Model card of a trained network: what it is, how it was made, how well it does and what it is not for."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib
from jinja2 import Environment, PackageLoader, StrictUndefined

from fbnet import paths
from fbnet.config.datasets import DataConfig
from fbnet.config.registry import backbone_title
from fbnet.config.runs import RunConfig
from fbnet.config.study import Study
from fbnet.data.packed import split_images
from fbnet.errors import InputError
from fbnet.io.files import sha256, write_text, write_whole
from fbnet.provenance.graph import SCALES, of_run
from fbnet.provenance.records import Provenance, read
from fbnet.report import captions
from fbnet.report.canvas import GAP, STYLE, colours, legend_handles, picture_canvas
from fbnet.report.layout import HEADERS, NONE, cell_text
from fbnet.report.results import Metrics, Sample, require_metrics, require_samples
from fbnet.report.server_scores import read_server_scores
from fbnet.report.tables import measured_cells

TEMPLATE = "model_card.md.jinja"
CARD = "README.md"
PICTURE = "sample.png"
SHOWN = 3  # samples in the picture
SUMMARY = ("miou", "f_miou", "miou_gain", "f_miou_gain", "gflops")
POOR = 0.1  # IoU below which a class counts as hardly found


@dataclass(frozen=True)
class ModelCard:
    """Text and picture of a model card."""

    text: str
    """Markdown."""
    picture: bytes | None
    """PNG; None if no labelled images are left to evaluate the run on."""

    def write(self, folder: Path) -> None:
        """Write both into a folder."""
        write_text(folder / CARD, self.text)
        if self.picture is not None:
            write_whole(folder / PICTURE, lambda file: file.write(self.picture))


def make_card(study: Study, run: RunConfig, seed: int, *, iterations: int, parameters: int) -> ModelCard:
    """Make the model card of a run's network with one seed from records, metrics and samples.

    Args:
        study: the study.
        run: one of its runs.
        seed: one of its seeds.
        iterations: of the training.
        parameters: number of weights.

    Raises:
        InputError: if the checkpoint has no record or is not the recorded one, or if metrics or samples are missing,
            damaged, or of another checkpoint.
    """
    record = _training_record(study, run, seed)
    data = study.data_of(run.id)
    metrics, picture = None, None
    if run.evaluated:
        metrics = require_metrics(study, run.id, seed)
        _check_evaluated(study, run, seed, record)
        picture = _draw(study, run, seed)
    environment = Environment(
        loader=PackageLoader("fbnet.report", "."), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template(TEMPLATE).render(
        study=study,
        run=run,
        seed=seed,
        title=f"{run.label}, {backbone_title(run.backbone)}",
        data=data,
        demo=data.synthetic is not None,
        comparison=captions.comparison(study, data),
        width=captions.width(study),
        iterations=iterations,
        parameters=parameters,
        used=_data(study, run),
        training=study.training_of(run.id),
        initial=[weights for name in study.ancestors(run.id) if (weights := study.initial_weights(name))],
        metrics=metrics,
        score=None if run.evaluated else read_server_scores(study).get(run.id, {}).get(seed),
        numbers=_numbers(study, run, metrics),
        classes=_classes(study, run, metrics),
        poor=[name for name, iou in metrics.iou.items() if iou is not None and iou < POOR] if metrics else [],
        picture=PICTURE if picture else None,
        record=record,
        record_file=paths.provenance_file(study.name, "train", of_run("train", run.id, seed).name),
    )
    return ModelCard(text, picture)


def _training_record(study: Study, run: RunConfig, seed: int) -> Provenance:
    """Record of the training, after comparing the checkpoint with it."""
    checkpoint, result = paths.checkpoint_file(study.name, run.id, seed), of_run("train", run.id, seed)
    record = read(study, result)
    again = f"train again: fbnet train --study {study.name} --run {run.id} --seed {seed}"
    if record is None:
        file = paths.provenance_file(study.name, result.kind, result.name)
        raise InputError(f"{file}: not there, so that nobody knows what {checkpoint} was made from; {again}")
    if record.outputs.get(checkpoint.as_posix()) != sha256(checkpoint):
        raise InputError(f"{checkpoint}: is not the file that its record names; `dvc checkout` it, or {again}")
    return record


def _check_evaluated(study: Study, run: RunConfig, seed: int, training: Provenance) -> None:
    """Check by the record of the evaluation that the metrics are of this checkpoint."""
    evaluation = read(study, of_run("evaluate", run.id, seed))
    if evaluation is None or evaluation.inputs.get(str(of_run("train", run.id, seed))) != training.digest:
        raise InputError(
            f"{paths.metrics_file(study.name, run.id, seed)}: not recorded as metrics of this checkpoint; "
            f"evaluate again: fbnet evaluate --study {study.name} --run {run.id} --seed {seed}"
        )


def _data(study: Study, run: RunConfig) -> list[dict[str, object]]:
    """Datasets that the network was trained and evaluated on, those of the runs that it started from first."""
    used = []
    for name in study.ancestors(run.id):
        data = study.data_of(name)
        used += [_split(data, split, "training") for split in study.training_splits(name)]
        if study.run(name).coarse_classes:
            coarse = study.role("cityscapes_coarse")
            used.append(_split(coarse, coarse.train, "training, coarse labels"))
    if run.evaluated:
        data = study.data_of(run.id)
        used.append(_split(data, data.evaluate, "evaluation"))
    return [entry for index, entry in enumerate(used) if entry not in used[:index]]


def _split(data: DataConfig, split: str, use: str) -> dict[str, object]:
    return {
        "name": data.dataset,
        "split": split,
        "images": split_images(data, split),
        "use": use,
        "homepage": data.entry.homepage,
        "licence": data.entry.licence,
    }


def _numbers(study: Study, run: RunConfig, metrics: Metrics | None) -> list[tuple[str, str, str, str]]:
    """Name, number of this seed, mean over seeds and seeds of each result, as in our tables."""
    if metrics is None:
        return []
    own = {"miou": _percent(metrics.miou), "f_miou": _percent(metrics.f_miou), "gflops": f"{metrics.gflops:.2f}"}
    rows = []
    for scales in SCALES.values():
        if scales == "multi_scale" and study.settings.multi_scale is None:
            continue
        suffix = "" if scales == "single_scale" else ", several scales"
        for column, cell in measured_cells(study, run.id, SUMMARY, scales).items():
            if cell.mean is None or (suffix and column == "gflops"):
                continue
            this = NONE if suffix else own.get(column, NONE)
            several = (NONE, NONE) if column == "gflops" else (cell_text(column, cell), str(cell.seeds))
            rows.append((f"{HEADERS[column]}{suffix}", this, *several))
    return rows


def _classes(study: Study, run: RunConfig, metrics: Metrics | None) -> list[dict[str, object]]:
    """Classes in the order of the network's output, with their IoU if there are metrics."""
    labels = study.data_of(run.id).labels
    cells = measured_cells(study, run.id, labels.classes) if metrics else {}
    return [
        {
            "id": index,
            "name": name,
            "colour": "#{:02x}{:02x}{:02x}".format(*colour),
            "foreground": name in labels.foreground,
            "iou": _percent(metrics.iou[name]) if metrics else NONE,
            "mean": cell_text(name, cells[name]) if metrics else NONE,
        }
        for index, (name, colour) in enumerate(zip(labels.classes, labels.palette, strict=True))
    ]


def _percent(rate: float | None) -> str:
    return NONE if rate is None else f"{100 * rate:.1f}"


def _draw(study: Study, run: RunConfig, seed: int) -> bytes:
    """Draw evenly spaced samples, image, label and prediction, as PNG."""
    samples, labels = require_samples(study, run.id, seed), study.data_of(run.id).labels
    step = max(1, (len(samples) - 1) // (SHOWN - 1))
    shown: list[Sample] = samples[::step][:SHOWN]
    data = study.data_of(run.id)
    caption = (
        f"{run.label}, {backbone_title(run.backbone)}, seed {seed}, on {len(shown)} images of the data set "
        f"{data.dataset}, split {data.evaluate}: {', '.join(sample.name for sample in shown)}. They are evenly spaced "
        f"in the split, not chosen by result. {captions.comparison(study, data)}"
    )
    with matplotlib.rc_context(STYLE):
        handles = legend_handles(labels, [ids for s in shown for ids in (s.label, s.prediction)])
        headers = ["Image", "Label", "Prediction"]
        canvas, grid, _ = picture_canvas(headers, len(shown), shown[0].label.shape, handles, caption, room=GAP)
        for row, sample in zip(grid, shown, strict=True):
            for axes, picture in zip(
                row, (sample.image, colours(sample.label, labels), colours(sample.prediction, labels)), strict=True
            ):
                axes.imshow(picture)
        return canvas.files()[0]
