"""Figures of a study, each drawn from the results of its first seed or of all."""

from pkgutil import resolve_name

import matplotlib

from fbnet import paths
from fbnet.config.registry import FIGURES
from fbnet.config.study import Study
from fbnet.io.files import write_whole
from fbnet.report import captions
from fbnet.report.canvas import STYLE


def write_figure(study: Study, name: str) -> None:
    """Write a figure as PNG and SVG. Raises InputError as `draw_figure`."""
    for path, content in zip(paths.figure_files(study.name, name), draw_figure(study, name), strict=True):
        write_whole(path, lambda file, content=content: file.write(content))


def draw_figure(study: Study, name: str) -> tuple[bytes, bytes]:
    """Draw a figure with its caption, as PNG and SVG.

    Raises:
        InputError: if the study does not have the figure, or if metrics or samples are missing or damaged.
    """
    title = f"{captions.display_name(name)}. {study.figure(name).title}"
    draw = resolve_name(FIGURES[name])
    with matplotlib.rc_context(STYLE):
        return draw(study, title).files()
