"""The page that figures are drawn on: measures, fonts, colours, legend and caption. All lengths are in inches."""

import io
import textwrap
from collections.abc import Collection

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fbnet.config.labels import IGNORE_INDEX, LabelSpec

WIDTH = 7.2  # the text width of a two-column page
MARGIN = 0.08
GAP = 0.06
HEADER = 0.2
LINE = 0.123  # of the caption
CAPTION_LETTERS = 136  # in a caption's line, with room for fonts that run wider
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
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "fbnet",  # the same drawing gives the same file
}


class Sheet:
    """A figure of fixed width that is laid out from the top; what is below the pictures is the legend and caption."""

    def __init__(self, height: float, caption: str) -> None:
        """`height` is that of everything above the caption."""
        lines = textwrap.wrap(caption, CAPTION_LETTERS)
        self.height = height + LINE * len(lines) + 2 * MARGIN
        self.figure = Figure(figsize=(WIDTH, self.height), facecolor="white")
        self.figure.text(
            MARGIN / WIDTH,
            MARGIN / self.height,
            "\n".join(lines),
            va="bottom",
            fontsize=7,
            linespacing=1.25,
            parse_math=False,
        )

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes of this size, their upper left corner so far from the sheet's."""
        return self.figure.add_axes(
            (left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        )

    def legend(self, top: float, handles: list[Patch]) -> None:
        """One legend for the whole sheet, `legend_height` high."""
        height = legend_height(handles)
        place = (MARGIN / WIDTH, 1 - (top + height) / self.height, 1 - 2 * MARGIN / WIDTH, height / self.height)
        self.figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=place,
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
        """The sheet as png and as svg, the same bytes for the same drawing."""
        png, svg = io.BytesIO(), io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
            self.figure.savefig(svg, format="svg", dpi=DPI, metadata={"Date": None})
        return png.getvalue(), svg.getvalue()


def picture_size(columns: int, shape: tuple[int, int]) -> tuple[float, float]:
    """Width and height of each of so many pictures side by side; `shape` is a picture's (H, W) in pixels."""
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    return width, width * shape[0] / shape[1]


def pictures_height(rows: int, picture_height: float) -> float:
    """Height of the heads and so many rows of pictures."""
    return MARGIN + HEADER + rows * picture_height + (rows - 1) * GAP


def picture_grid(sheet: Sheet, heads: list[str], rows: int, size: tuple[float, float]) -> list[list[Axes]]:
    """Axes for rows of pictures below the heads of their columns."""
    width, height = size
    grid = [
        [
            sheet.axes(MARGIN + column * (width + GAP), pictures_height(row + 1, height) - height, width, height)
            for column in range(len(heads))
        ]
        for row in range(rows)
    ]
    for axes in (axes for row in grid for axes in row):
        axes.set_xticks([])
        axes.set_yticks([])
    for axes, head in zip(grid[0], heads, strict=True):
        axes.set_title(head, fontsize=8, pad=4)
    return grid


def colours(ids: np.ndarray, labels: LabelSpec) -> np.ndarray:
    """Train ids (H, W) in the palette's colours, (H, W, 3) uint8; ignored pixels are black."""
    table = np.zeros((IGNORE_INDEX + 1, 3), dtype=np.uint8)
    table[: len(labels.palette)] = labels.palette
    return table[ids]


def legend_handles(labels: LabelSpec, maps: Collection[np.ndarray]) -> list[Patch]:
    """One entry for each class in these maps of train ids, and one for ignored pixels where there are any."""
    present = set(np.unique(np.concatenate([np.unique(ids) for ids in maps])).tolist())
    entries = [
        (name, colour)
        for index, (name, colour) in enumerate(zip(labels.classes, labels.palette, strict=True))
        if index in present
    ]
    if IGNORE_INDEX in present:
        entries.append(("ignored", (0, 0, 0)))
    return [
        Patch(facecolor=np.array(colour) / 255, edgecolor=DARK, linewidth=0.4, label=name) for name, colour in entries
    ]


def legend_height(handles: list[Patch]) -> float:
    return LEGEND_LINE * -(-len(handles) // LEGEND_COLUMNS)
