"""Figures 1, 2 and 7, each of the study's first seed."""

import matplotlib

from fbnet import paths
from fbnet.config.study import Study
from fbnet.io.files import write_whole
from fbnet.report import balance_maps, captions, confusion, predictions
from fbnet.report.canvas import STYLE

DRAW = {"figure_1": predictions.draw, "figure_2": confusion.draw, "figure_7": balance_maps.draw}


def write_figure(study: Study, name: str) -> None:
    """Draws one of the paper's figures as png and svg, with its caption.

    Raises InputError for a figure that the study does not have, and for metrics or samples that are missing or
    damaged.
    """
    title = f"{captions.display_name(name)}. {study.figure(name).title}"
    with matplotlib.rc_context(STYLE):
        contents = DRAW[name](study, title).files()
    for path, content in zip(paths.figure_files(study.name, name), contents, strict=True):
        write_whole(path, lambda file, content=content: file.write(content))
