"""Figure 7: modulated features X_o of the feature balance module."""

import numpy as np
from PIL import Image

from fbnet import paths
from fbnet.config.labels import IGNORE_INDEX
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.report import captions
from fbnet.report.canvas import GAP, FigureCanvas, colours, legend_handles, picture_canvas, picture_width
from fbnet.report.results import Sample, require_samples

ROWS = 3
BAR = 0.08
BAR_ROOM = 0.42  # for the colour bar and its tick labels
STRIDES = (2, 4, 8, 16, 32)  # of backbone stages
RANGE = (1, 99)  # percentiles that the colours span, so that outliers do not use them up


def draw(study: Study, title: str) -> FigureCanvas:
    """Draw label, mean of X_o over its channels and prediction of evenly spaced samples. Raises InputError."""
    samples = _samples(study)
    spaced = np.linspace(0, len(samples) - 1, min(ROWS, len(samples))).round().astype(int)
    shown = [samples[index] for index in spaced]
    maps = [visible_map(sample) for sample in shown]
    low, high = np.percentile(np.concatenate([values.compressed() for values in maps]), RANGE)

    labels = study.data.labels
    handles = legend_handles(labels, [ids for sample in shown for ids in (sample.label, sample.prediction)])
    headers = ["Label", "Mean of $X_o$ over channels", "Prediction"]
    caption = _caption(study, title, samples, len(shown))
    canvas, grid, below = picture_canvas(headers, len(shown), shown[0].label.shape, handles, caption, room=BAR_ROOM)
    for row, sample, values in zip(grid, shown, maps, strict=True):
        row[0].imshow(colours(sample.label, labels))
        drawn = row[1].imshow(values, cmap="viridis", vmin=low, vmax=high)
        row[2].imshow(colours(sample.prediction, labels))
    width = picture_width(len(headers))
    bar = canvas.axes(width + 3 * GAP, below, width - 2 * GAP, BAR)
    canvas.figure.colorbar(drawn, cax=bar, orientation="horizontal", extend="both")
    return canvas


def visible_map(sample: Sample) -> np.ma.MaskedArray:
    """Return a sample's map of X_o, resized bilinearly to (H, W) float32 and masked where the label is ignored."""
    height, width = sample.label.shape
    (rows, columns), stride = sample.balance.shape, _stride(sample)
    # The last blocks reach beyond an image whose size is no multiple of the stride.
    enlarged = Image.fromarray(sample.balance).resize((columns * stride, rows * stride), Image.Resampling.BILINEAR)
    return np.ma.masked_array(np.asarray(enlarged)[:height, :width], sample.label == IGNORE_INDEX)


def foreground_background_means(samples: list[Sample], foreground_ids: tuple[int, ...]) -> tuple[float, float]:
    """Return the map's mean over foreground and over background pixels of all samples; NaN without such pixels."""
    values = np.concatenate([visible_map(sample).compressed() for sample in samples]).astype(np.float64)
    visible = np.concatenate([sample.label[sample.label != IGNORE_INDEX] for sample in samples])
    foreground = np.isin(visible, foreground_ids)
    means = [values[mask].mean() if mask.any() else np.nan for mask in (foreground, ~foreground)]
    return float(means[0]), float(means[1])


def _samples(study: Study) -> list[Sample]:
    run, seed = study.figure_runs.fbnet, study.settings.seeds[0]
    path = paths.samples_file(study.name, run, seed)
    samples = require_samples(study, run, seed)
    hint = f"evaluate again: fbnet evaluate --study {study.name} --run {run} --seed {seed}"
    for sample in samples:
        if sample.balance is None:
            raise InputError(f"{path}: holds no maps of X_o; {hint}, with a run that has a feature modulator")
        if _stride(sample) is None:
            raise InputError(f"{path}: {sample.name}: the map of X_o does not fit the image; {hint}")
    return samples


def _stride(sample: Sample) -> int | None:
    """Stride of a sample's map of X_o, by the sizes of map and image; None if no stage's stride fits."""
    sizes = {stride: tuple(-(-side // stride) for side in sample.label.shape) for stride in STRIDES}
    return next((stride for stride, size in sizes.items() if size == sample.balance.shape), None)


def _caption(study: Study, title: str, samples: list[Sample], shown: int) -> str:
    run = study.run(study.figure_runs.fbnet)
    foreground, background = foreground_background_means(samples, study.data.labels.foreground_ids)
    return (
        f"{title}, {run.label} ({run.id}). X_o is at the deepest stage that has FBNet; ignored pixels are hidden, and "
        f"the colours span percentiles {RANGE[0]} to {RANGE[1]} of the maps shown. Over all {len(samples)} samples the "
        f"map's mean is {foreground:.3g} on foreground and {background:.3g} on background pixels. Shown are {shown} "
        f"evenly spaced ones. {captions.figure_source(study)} {captions.comparison(study, study.data)}"
    )
