"""Figure 1: predictions without and with FBNet."""

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.report import captions
from fbnet.report.canvas import (
    GAP,
    Sheet,
    colours,
    legend_handles,
    legend_height,
    picture_grid,
    picture_size,
    pictures_height,
)
from fbnet.report.improvements import Box, changes, find_boxes
from fbnet.report.results import Sample, require_samples

ROWS = 3
BOXED = slice(1, 4)  # label and both predictions
RED = "#d7191c"


def draw(study: Study, title: str) -> Sheet:
    """The samples that gain most from FBNet: image, label, baseline and FBNet. Raises InputError."""
    pairs = _pairs(study)
    chosen = sorted(range(len(pairs)), key=lambda index: -_foreground_changes(study, *pairs[index]).sum(dtype=int))
    shown = [pairs[index] for index in chosen[:ROWS]]
    boxes = [find_boxes(_foreground_changes(study, *pair)) for pair in shown]

    labels = study.data.labels
    handles = legend_handles(labels, [m for old, new in shown for m in (old.label, old.prediction, new.prediction)])
    size = picture_size(4, shown[0][0].label.shape)
    top = pictures_height(len(shown), size[1]) + 2 * GAP
    sheet = Sheet(top + legend_height(handles), _caption(study, title, pairs, shown, any(boxes)))
    heads = ["Image", "Label", study.run(study.figure_runs.baseline).label, study.run(study.figure_runs.fbnet).label]
    for row, (old, new), found in zip(picture_grid(sheet, heads, len(shown), size), shown, boxes, strict=True):
        row[0].imshow(old.image)
        for axes, ids in zip(row[1:], (old.label, old.prediction, new.prediction), strict=True):
            axes.imshow(colours(ids, labels))
        for axes in row[BOXED]:
            _draw_boxes(axes, found, old.label.shape)
    sheet.legend(top, handles)
    return sheet


def _pairs(study: Study) -> list[tuple[Sample, Sample]]:
    """The same samples of the baseline and of FBNet."""
    seed, runs = study.settings.seeds[0], study.figure_runs
    old, new = require_samples(study, runs.baseline, seed), require_samples(study, runs.fbnet, seed)
    if [(s.name, s.label.shape) for s in old] != [(s.name, s.label.shape) for s in new]:
        raise InputError(
            f"study {study.name}: samples.npz of {runs.baseline} and {runs.fbnet}, seed {seed}, hold different images; "
            f"evaluate both again: fbnet evaluate --study {study.name} --run RUN --seed {seed}"
        )
    return list(zip(old, new, strict=True))


def _foreground_changes(study: Study, old: Sample, new: Sample):
    return changes(old.label, old.prediction, new.prediction, study.data.labels.foreground_ids)


def _draw_boxes(axes: Axes, boxes: list[Box], shape: tuple[int, int]) -> None:
    """Red dashes on a white line, which stand out from every colour of the palette and in grey print."""
    height, width = shape
    room = max(1, height // 50)
    for box in boxes:
        left, top = max(0, box.left - room), max(0, box.top - room)
        right, bottom = min(width, box.right + room) - 1, min(height, box.bottom + room) - 1
        for colour, line, dashes in (("white", 2.0, "solid"), (RED, 1.1, (0, (2.5, 1.2)))):
            axes.add_patch(
                Rectangle(
                    (left, top),
                    right - left,
                    bottom - top,
                    fill=False,
                    edgecolor=colour,
                    linewidth=line,
                    linestyle=dashes,
                )
            )


def _caption(
    study: Study, title: str, pairs: list[tuple[Sample, Sample]], shown: list[tuple[Sample, Sample]], boxed: bool
) -> str:
    boxes = (
        "Dashed boxes: the largest regions where FBNet gets more foreground pixels right than the baseline, at most "
        "3 a picture."
        if boxed
        else "No region where FBNet gets clearly more foreground pixels right than the baseline, so no boxes."
    )
    foreground, background = (_won_and_lost(study, pairs, foreground=kind) for kind in (True, False))
    return (
        f"{title}. {boxes} Shown are the {len(shown)} samples of {len(pairs)} with the largest gain in foreground "
        f"pixels: {', '.join(old.name for old, _ in shown)}. Over all {len(pairs)} samples FBNet wins "
        f"{foreground[0]:,} foreground pixels and loses {foreground[1]:,} against the baseline; on background classes "
        f"it wins {background[0]:,} and loses {background[1]:,}. "
        f"{captions.figure_source(study)} {captions.comparison(study, study.data)}"
    )


def _won_and_lost(study: Study, pairs: list[tuple[Sample, Sample]], foreground: bool) -> tuple[int, int]:
    """Pixels that only FBNet and that only the baseline gets right, over all samples."""
    labels = study.data.labels
    classes = [index for index in range(len(labels.classes)) if (index in labels.foreground_ids) == foreground]
    maps = [changes(old.label, old.prediction, new.prediction, classes) for old, new in pairs]
    return sum(int((change > 0).sum()) for change in maps), sum(int((change < 0).sum()) for change in maps)
