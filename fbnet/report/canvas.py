"""Drawing canvas of the figures: sizes, fonts, colours, legend and caption. All lengths are in inches."""

import io
import textwrap
from collections.abc import Collection

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fbnet.config.labels import IGNORE_INDEX, LabelSpec

WIDTH = 7.2  # text width of a two-column page
MARGIN = 0.08
GAP = 0.06
HEADER = 0.2
LINE = 0.123  # of the caption
CAPTION_LETTERS = 136  # per line of the caption, with room for wider fonts
LEGEND_COLUMNS = 7
LEGEND_LINE = 0.16
DPI = 200
DARK = "#222222"
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7,
    "axes.edgecolor": DARK,
    "axes.labelcolor": DARK,
    "axes.linewidth": 0.5,
    "text.color": DARK,
    "xtick.color": DARK,
    "ytick.color": DARK,
    "hatch.color": "#8c8c8c",
    "hatch.linewidth": 0.5,
    "svg.fonttype": "none",  # keep text as text
    "svg.hashsalt": "fbnet",  # same drawing, same bytes
}


class FigureCanvas:
    """A figure of fixed width, laid out from the top, with legend and caption below the pictures."""

    def __init__(self, height: float, caption: str) -> None:
        """Create the figure with `height` for everything above the caption."""
        lines = textwrap.wrap(caption, CAPTION_LETTERS)
        self.height = height + LINE * len(lines) + 2 * MARGIN
        self.figure = Figure(figsize=(WIDTH, self.height), facecolor="white")
        position = (MARGIN / WIDTH, MARGIN / self.height)
        self.figure.text(*position, "\n".join(lines), va="bottom", fontsize=7, linespacing=1.25, parse_math=False)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes of this size, `left` and `top` measured from the canvas's upper left corner."""
        return self.figure.add_axes(self._bounds(left, top, width, height))

    def legend(self, top: float, height: float, handles: list[Patch]) -> None:
        """Add one legend over the whole width, `top` below the canvas's upper edge."""
        self.figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=self._bounds(MARGIN, top, WIDTH - 2 * MARGIN, height),
            mode="expand",
            ncol=LEGEND_COLUMNS,
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            handlelength=1.4,
            handletextpad=0.5,
            labelspacing=0.45,
        )

    def files(self) -> tuple[bytes, bytes]:
        """Return the figure as PNG and SVG, deterministic to the byte."""
        png, svg = io.BytesIO(), io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
            self.figure.savefig(svg, format="svg", dpi=DPI, metadata={"Date": None})
        return png.getvalue(), svg.getvalue()

    def _bounds(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        """Left, bottom, width and height as fractions of the figure."""
        return left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height


def picture_width(columns: int) -> float:
    """Return the width of each of `columns` pictures side by side."""
    return (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns


def picture_canvas(
    headers: list[str], rows: int, shape: tuple[int, int], handles: list[Patch], caption: str, *, room: float
) -> tuple[FigureCanvas, list[list[Axes]], float]:
    """Create a canvas of pictures with a legend below.

    Args:
        headers: one for each column of pictures.
        rows: number of rows of pictures.
        shape: (H, W) of a picture in pixels.
        handles: legend entries.
        caption: text at the bottom.
        room: height left free between pictures and legend.

    Returns:
        The canvas, its axes by row and column, and where the room begins, measured from the top.
    """
    width = picture_width(len(headers))
    height = width * shape[0] / shape[1]
    bottoms = [MARGIN + HEADER + (row + 1) * height + row * GAP for row in range(rows)]
    below = bottoms[-1] + GAP
    legend_height = LEGEND_LINE * -(-len(handles) // LEGEND_COLUMNS)
    canvas = FigureCanvas(below + room + legend_height, caption)
    canvas.legend(below + room, legend_height, handles)
    lefts = [MARGIN + column * (width + GAP) for column in range(len(headers))]
    grid = [[canvas.axes(left, bottom - height, width, height) for left in lefts] for bottom in bottoms]
    for axes in (axes for row in grid for axes in row):
        axes.set(xticks=[], yticks=[])
    for axes, header in zip(grid[0], headers, strict=True):
        axes.set_title(header, fontsize=8, pad=4)
    return canvas, grid, below


def colours(ids: np.ndarray, labels: LabelSpec) -> np.ndarray:
    """Return train ids (H, W) as palette colours (H, W, 3) uint8, ignored pixels in black."""
    table = np.zeros((IGNORE_INDEX + 1, 3), dtype=np.uint8)
    table[: len(labels.palette)] = labels.palette
    return table[ids]


def legend_handles(labels: LabelSpec, maps: Collection[np.ndarray]) -> list[Patch]:
    """Return one entry for each class in these maps of train ids, and one for ignored pixels if there are any."""
    names = dict(enumerate(labels.classes)) | {IGNORE_INDEX: "ignored"}
    colour = dict(enumerate(labels.palette)) | {IGNORE_INDEX: (0, 0, 0)}
    present = np.unique(np.concatenate([np.unique(ids) for ids in maps])).tolist()
    return [
        Patch(facecolor=np.array(colour[index]) / 255, edgecolor=DARK, linewidth=0.4, label=names[index])
        for index in present
        if index in names
    ]
