"""Figure 1: predictions without and with FBNet."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.report import captions
from fbnet.report.canvas import GAP, FigureCanvas, colours, legend_handles, picture_canvas
from fbnet.report.improvements import Box, changes, find_boxes
from fbnet.report.results import Sample, require_samples

ROWS = 3
RED = "#d7191c"

Pair = tuple[Sample, Sample]
"""Samples predicted by the baseline and by FBNet."""


def draw(study: Study, title: str) -> FigureCanvas:
    """Draw the samples that gain most from FBNet: image, label, baseline and FBNet. Raises InputError."""
    pairs = _read_pairs(study)
    labels, runs = study.data.labels, study.figure_runs
    changed = [changes(old.label, old.prediction, new.prediction, labels.foreground_ids) for old, new in pairs]
    chosen = sorted(range(len(pairs)), key=lambda index: -changed[index].sum(dtype=int))[:ROWS]
    shown, boxes = [pairs[index] for index in chosen], [find_boxes(changed[index]) for index in chosen]

    handles = legend_handles(labels, [m for old, new in shown for m in (old.label, old.prediction, new.prediction)])
    headers = ["Image", "Label", study.run(runs.baseline).label, study.run(runs.fbnet).label]
    caption = _caption(study, title, pairs, shown, any(boxes))
    canvas, grid, _ = picture_canvas(headers, len(shown), shown[0][0].label.shape, handles, caption, room=GAP)
    for row, (old, new), found in zip(grid, shown, boxes, strict=True):
        row[0].imshow(old.image)
        for axes, ids in zip(row[1:], (old.label, old.prediction, new.prediction), strict=True):
            axes.imshow(colours(ids, labels))
            _draw_boxes(axes, found, old.label.shape)
    return canvas


def _read_pairs(study: Study) -> list[Pair]:
    seed, runs = study.settings.seeds[0], study.figure_runs
    old, new = require_samples(study, runs.baseline, seed), require_samples(study, runs.fbnet, seed)
    if [(s.name, s.label.shape) for s in old] != [(s.name, s.label.shape) for s in new]:
        raise InputError(
            f"study {study.name}: samples.npz of {runs.baseline} and {runs.fbnet}, seed {seed}, hold different images; "
            f"evaluate both again: fbnet evaluate --study {study.name} --run RUN --seed {seed}"
        )
    return list(zip(old, new, strict=True))


def _draw_boxes(axes: Axes, boxes: list[Box], shape: tuple[int, int]) -> None:
    """Draw red dashes on a white line, which stand out from every palette colour and in greyscale print."""
    height, width = shape
    margin = max(1, height // 50)
    for box in boxes:
        left, top = max(0, box.left - margin), max(0, box.top - margin)
        right, bottom = min(width, box.right + margin) - 1, min(height, box.bottom + margin) - 1
        for colour, line, dashes in (("white", 2.0, "solid"), (RED, 1.1, (0, (2.5, 1.2)))):
            style = {"fill": False, "edgecolor": colour, "linewidth": line, "linestyle": dashes}
            axes.add_patch(Rectangle((left, top), right - left, bottom - top, **style))


def _caption(study: Study, title: str, pairs: list[Pair], shown: list[Pair], boxed: bool) -> str:
    boxes = (
        "Dashed boxes: the largest regions where FBNet gets more foreground pixels right than the baseline, at most "
        "3 a picture."
        if boxed
        else "No region where FBNet gets clearly more foreground pixels right than the baseline, so no boxes."
    )
    foreground_ids = study.data.labels.foreground_ids
    foreground = _won_and_lost(pairs, foreground_ids)
    background = _won_and_lost(pairs, set(range(len(study.data.labels.classes))) - set(foreground_ids))
    return (
        f"{title}. {boxes} Shown are the {len(shown)} samples of {len(pairs)} with the largest gain in foreground "
        f"pixels: {', '.join(old.name for old, _ in shown)}. Over all {len(pairs)} samples FBNet wins "
        f"{foreground[0]:,} foreground pixels and loses {foreground[1]:,} against the baseline; on background classes "
        f"it wins {background[0]:,} and loses {background[1]:,}. "
        f"{captions.figure_source(study)} {captions.comparison(study, study.data)}"
    )


def _won_and_lost(pairs: list[Pair], class_ids: set[int] | tuple[int, ...]) -> tuple[int, int]:
    """Pixels of these classes that only FBNet, and that only the baseline predicts correctly."""
    maps = [changes(old.label, old.prediction, new.prediction, class_ids) for old, new in pairs]
    return sum(int((change > 0).sum()) for change in maps), sum(int((change < 0).sum()) for change in maps)
