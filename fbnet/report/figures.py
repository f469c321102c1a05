"""Figures of the paper, each drawn from the results of the study's first seed."""

from pkgutil import resolve_name

import matplotlib

from fbnet import paths
from fbnet.config.registry import FIGURES
from fbnet.config.study import Study
from fbnet.io.files import write_whole
from fbnet.report import captions
from fbnet.report.canvas import STYLE


def write_figure(study: Study, name: str) -> None:
    """Draw a figure of the paper as PNG and SVG, with its caption.

    Raises:
        InputError: if the study does not have the figure, or if metrics or samples are missing or damaged.
    """
    title = f"{captions.display_name(name)}. {study.figure(name).title}"
    draw = resolve_name(FIGURES[name])
    with matplotlib.rc_context(STYLE):
        contents = draw(study, title).files()
    for path, content in zip(paths.figure_files(study.name, name), contents, strict=True):
        write_whole(path, lambda file, content=content: file.write(content))
