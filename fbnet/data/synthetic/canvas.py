"""Canvas of a synthetic scene: a pinhole camera, and a picture and a label map that share their polygons.

World coordinates are metres: x to the right of the camera, y up from the ground, z ahead.
"""

from dataclasses import dataclass
from math import cos, exp, pi, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX

Colour = tuple[float, float, float]
Point = tuple[float, float, float]
Span = tuple[float, float]

RAW_IDS = {"ego vehicle": 1, "static": 4, "dynamic": 5} | {
    CITYSCAPES.classes[train_id]: raw_id for raw_id, train_id in CITYSCAPES.raw_ids.items() if train_id != IGNORE_INDEX
}
"""Raw ids of Cityscapes of the labels that scenes use."""

FOCAL = 1.2  # in image heights: a field of view of about 80 degrees at an aspect ratio of 2
EYE = 1.6  # height of the camera

SMOOTH, PLASTER, ASPHALT, GRASS, FOLIAGE, SKY = range(6)
# Strength of coarse, medium and fine noise on each of these textures.
_RELIEF = np.array(
    [[0.02, 0.01, 0.01], [0.05, 0.02, 0.04], [0.06, 0.02, 0.05], [0.08, 0.08, 0.12], [0.08, 0.12, 0.22], [0, 0, 0]],
    dtype=np.float32,
)
_NOISE_GRIDS = ((5, 10), (36, 72), (150, 300))  # rows and columns, the same at every image size


@dataclass(frozen=True)
class Look:
    """Camera pose, weather and light of one scene."""

    horizon: float
    """Row of the horizon, in image heights from the top."""
    vanishing: float
    """Column of the vanishing point, in image heights from the middle."""
    zenith: Colour
    haze: Colour
    """Colour of the sky at the horizon, which distant objects fade into."""
    visibility: float
    """Distance in metres at which about two thirds of an object's colour is haze."""
    clouds: float
    """Opacity of the clouds."""
    sun: int
    """Side of the sun: -1 left, 1 right; the fronts on that side are in the shade."""
    gain: Colour
    """Exposure and white balance."""
    noise: float
    """Standard deviation of the sensor noise, in grey levels."""


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Interpolate between two colours; `share` is the weight of the second."""
    return tuple(one * (1 - share) + other * share for one, other in zip(first, second, strict=True))


def shade(colour: Colour, factor: float) -> Colour:
    """Scale the brightness of a colour."""
    return tuple(value * factor for value in colour)


def jitter(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Change the brightness of a colour by up to `spread` grey levels, and its hue by a third of that."""
    brightness, *hue = rng.uniform(-spread, spread, 4).tolist()
    return tuple(value + brightness + change / 3 for value, change in zip(colour, hue, strict=True))


def ellipse(x: float, y: float, radius_x: float, radius_y: float, corners: int = 12) -> list[tuple[float, float]]:
    """Return the corners (x, y) of a polygon inscribed in an ellipse."""
    angles = [2 * pi * (corner + 0.5) / corners for corner in range(corners)]
    return [(x + radius_x * cos(angle), y + radius_y * sin(angle)) for angle in angles]


class Canvas:
    """A picture and its label map, painted from far to near.

    Attributes:
        polygons: labelled polygons in drawing order, as (label, [[x, y], ...]) in pixels; painted in that order, they
            give the label map.
    """

    def __init__(self, height: int, width: int, look: Look, rng: np.random.Generator) -> None:
        self.height, self.width, self.look = height, width, look
        self.polygons: list[tuple[str, list[list[int]]]] = []
        self._rng = rng
        self._noise = [_upsampled(rng.uniform(-1, 1, grid), height, width) for grid in _NOISE_GRIDS]
        self._picture = Image.fromarray(self._sky())
        self._labels = Image.new("L", (width, height))
        self._textures = Image.new("L", (width, height), SKY)
        self._draw_picture = ImageDraw.Draw(self._picture, "RGBA")
        self._draw_labels = ImageDraw.Draw(self._labels)
        self._draw_textures = ImageDraw.Draw(self._textures)
        self._label("sky", [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)])

    def shape(self, label: str, points: list[Point], colour: Colour, texture: int = SMOOTH) -> None:
        """Paint a labelled polygon, given in world coordinates."""
        pixels = self._project(points)
        if self._in_view(pixels):
            self._paint(label, pixels, self._faded(colour, points), texture)

    def area(self, label: str, points: list[Point]) -> None:
        """Label a polygon without painting it, for see-through objects."""
        pixels = self._project(points)
        if self._in_view(pixels):
            self._label(label, pixels)

    def detail(self, points: list[Point], colour: Colour, opacity: float = 1.0) -> None:
        """Paint a polygon into the picture only, if it is large enough to show."""
        # Opposite corners tell: most details are windows too far away to show, so this saves most of the time.
        first, opposite = self._project([points[0], points[len(points) // 2]])
        if first[0] != opposite[0] and first[1] != opposite[1] and self._in_view([first, opposite]):
            fill = (*_bytes(self._faded(colour, points)), round(255 * opacity))
            self._draw_picture.polygon(self._project(points), fill=fill)

    def upright(self, label: str, foot: Point, length: float, width: float, colour: Colour) -> None:
        """Paint a thin vertical object from its foot up, at least one pixel wide."""
        x, y, z = foot
        (left, bottom), (_, top) = self._project([(x - width / 2, y, z), (x, y + length, z)])
        right = left + max(round(width * FOCAL * self.height / z), 1) - 1
        pixels = [(left, bottom), (right, bottom), (right, top), (left, top)]
        if self._in_view(pixels):
            self._paint(label, pixels, self._faded(colour, [foot]), SMOOTH)

    def overlay(self, label: str, points: list[tuple[float, float]], colour: Colour) -> None:
        """Paint a labelled polygon given in the image, as fractions of its width and height from the upper left."""
        pixels = [(round(x * self.width), round(y * self.height)) for x, y in points]
        self._paint(label, pixels, colour, SMOOTH)

    def picture(self) -> np.ndarray:
        """Return the picture with texture, exposure and sensor noise, (H, W, 3) uint8."""
        relief = _RELIEF[np.asarray(self._textures)]
        light = 1 + sum(relief[..., level] * self._noise[level] for level in range(3))
        softened = self._picture.filter(ImageFilter.GaussianBlur(0.4))
        picture = np.asarray(softened, dtype=np.float32) * light[..., None]
        picture *= np.array(self.look.gain, dtype=np.float32)
        picture += self.look.noise * self._rng.standard_normal(picture.shape, dtype=np.float32)
        return np.clip(picture, 0, 255).astype(np.uint8)

    def labels(self) -> np.ndarray:
        """Return the label map of raw ids, (H, W) uint8."""
        return np.array(self._labels)

    def _sky(self) -> np.ndarray:
        """Return the empty picture, (H, W, 3) uint8: a gradient from zenith to horizon, and clouds."""
        rows = np.linspace(0, 1, self.height, dtype=np.float32)[:, None, None]
        towards_horizon = np.clip(rows / self.look.horizon, 0, 1) ** 1.3
        zenith, haze = (np.array(colour, dtype=np.float32) for colour in (self.look.zenith, self.look.haze))
        sky = zenith + (haze - zenith) * towards_horizon
        cloud = np.clip(1.1 * self._noise[0] + 0.35 * self._noise[1] + 0.1, 0, 1)[..., None] * self.look.clouds
        return (sky + (245 - sky) * cloud * (1 - 0.6 * towards_horizon)).astype(np.uint8)

    def _project(self, points: list[Point]) -> list[tuple[int, int]]:
        focal, horizon = FOCAL * self.height, self.look.horizon * self.height
        middle = self.width / 2 + self.look.vanishing * self.height
        return [(round(middle + x * focal / z), round(horizon + (EYE - y) * focal / z)) for x, y, z in points]

    def _in_view(self, pixels: list[tuple[int, int]]) -> bool:
        """Return whether a polygon may reach into the image; nothing lies wholly below it."""
        columns, rows = zip(*pixels, strict=True)
        return max(columns) >= 0 and min(columns) < self.width and max(rows) >= 0

    def _faded(self, colour: Colour, points: list[Point]) -> Colour:
        depth = (points[0][2] + points[len(points) // 2][2]) / 2
        return mix(colour, self.look.haze, 1 - exp(-depth / self.look.visibility))

    def _paint(self, label: str, pixels: list[tuple[int, int]], colour: Colour, texture: int) -> None:
        self._label(label, pixels)
        self._draw_picture.polygon(pixels, fill=_bytes(colour))
        self._draw_textures.polygon(pixels, fill=texture)

    def _label(self, label: str, pixels: list[tuple[int, int]]) -> None:
        self._draw_labels.polygon(pixels, fill=RAW_IDS[label])
        self.polygons.append((label, [list(pixel) for pixel in pixels]))


def _bytes(colour: Colour) -> tuple[int, int, int]:
    return tuple(min(max(int(value), 0), 255) for value in colour)


def _upsampled(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return smooth noise from a coarse grid, (height, width) float32."""
    image = Image.fromarray(grid.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
