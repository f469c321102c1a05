"""Synthetic street scenes in perspective, with all 19 classes of Cityscapes.

A scene is planned in world coordinates and drawn from far to near, so that it looks the same at every size. Thin and
rare objects are camouflaged as in real streets: poles and walls have nearly the colour of the buildings behind them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from fbnet.data.synthetic import street, traffic
from fbnet.data.synthetic.canvas import ASPHALT, GRASS, PLASTER, Canvas, Colour, Look, Span, jitter, mix, shade

NEAR, FAR = 2.0, 110.0  # ends of the street; the first is out of view
LANE = 3.2
SKIES = (  # zenith, haze at the horizon, clouds, visibility
    ((84, 134, 196), (196, 212, 224), 0.55, 330.0),
    ((168, 176, 184), (208, 210, 210), 0.35, 190.0),
    ((112, 140, 180), (226, 206, 178), 0.5, 250.0),
)
# Rare objects take turns, so that a few scenes in a row hold every class; 3, 4 and 5 have no common factor.
LARGE_VEHICLES = ("bus", "truck", "train", None)
MOUNTS = ("bicycle", "motorcycle", None)
BOUNDARIES = (("wall", None), ("fence", "wall"), (None, "fence"), ("wall", "fence"), ("fence", None))

Item = tuple[float, Callable[[], None]]
"""An object on the ground: its distance, and the function that draws it."""


@dataclass(frozen=True)
class Scene:
    """A drawn scene."""

    image: np.ndarray
    """(H, W, 3) uint8."""
    labels: np.ndarray
    """(H, W) uint8, raw ids of Cityscapes."""
    polygons: list[tuple[str, list[list[int]]]]
    """Label and corners [x, y] in pixels, in drawing order; painted in that order, they give the label map."""


@dataclass(frozen=True)
class Layout:
    """Cross-section of a street and what stands in it; the camera drives at x = 0 in the right lane.

    Pairs are those of the left and the right side.
    """

    kerbs: Span
    """x of the road's edges."""
    fronts: Span
    """x of the building lines."""
    verges: Span
    """Widths of the strips of grass beside the road, 0 for none."""
    parking: tuple[bool, bool]
    facades: tuple[Colour, Colour]
    boundaries: tuple[str | None, str | None]
    large: str | None
    mount: str | None


def draw_scene(height: int, width: int, rng: np.random.Generator, index: int) -> Scene:
    """Draw a scene of the given size.

    `index` only decides which rare objects take their turn; everything else comes from `rng`. The same generator state
    and index give the same scene at every size.
    """
    content, noise = rng.spawn(2)
    layout = _layout(content, index)
    canvas = Canvas(height, width, _look(content), noise)
    _distance(canvas, content)
    _ground(canvas, content, layout)
    for side in (-1, 1):
        _roadside(canvas, content, layout, side)
    # All items are planned before the first is drawn: the order of random numbers defines the scene.
    items = [item for plan in (_furniture, _traffic, _people) for item in plan(canvas, content, layout)]
    for _, draw in sorted(items, key=lambda item: -item[0]):
        draw()
    _bonnet(canvas, content)
    return Scene(canvas.picture(), canvas.labels(), canvas.polygons)


def _layout(rng: np.random.Generator, index: int) -> Layout:
    large = LARGE_VEHICLES[index % len(LARGE_VEHICLES)]
    parking = (bool(rng.random() < 0.5), bool(rng.random() < 0.6))
    track = 3.4 if large == "train" else 0.0
    kerbs = (-1.5 * LANE - 2.1 * parking[0] - track, 0.5 * LANE + 2.1 * parking[1] + 0.2)
    # Grass takes turns as well: on one or both sides, in every other pair of scenes.
    grassy = ((True, True), (True, False), (False, True))[rng.integers(3)] if index // 2 % 2 == 0 else (False, False)
    verges = tuple(rng.uniform(1.4, 2.4) * grass for grass in grassy)
    walks = rng.uniform(2.2, 3.6, 2)
    order = slice(None, None, 1 if rng.random() < 0.5 else -1)
    return Layout(
        kerbs=kerbs,
        fronts=(kerbs[0] - verges[0] - walks[0], kerbs[1] + verges[1] + walks[1]),
        verges=verges,
        parking=parking,
        facades=tuple(jitter(rng, street.FACADES[rng.integers(len(street.FACADES))], 10) for _ in range(2)),
        boundaries=BOUNDARIES[index % len(BOUNDARIES)][order],
        large=large,
        mount=MOUNTS[index % len(MOUNTS)],
    )


def _look(rng: np.random.Generator) -> Look:
    zenith, haze, clouds, visibility = SKIES[rng.integers(len(SKIES))]
    exposure = rng.uniform(0.82, 1.12)
    return Look(
        horizon=rng.uniform(0.42, 0.48),
        vanishing=rng.uniform(-0.16, 0.16),
        zenith=jitter(rng, zenith, 12),
        haze=jitter(rng, haze, 8),
        visibility=visibility * rng.uniform(0.8, 1.2),
        clouds=clouds,
        sun=-1 if rng.random() < 0.5 else 1,
        gain=tuple(exposure * rng.uniform(0.94, 1.06, 3)),
        noise=rng.uniform(2.5, 5.5),
    )


def _distance(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw the houses and trees where the street ends."""
    for x in np.arange(-150, 150, 12):
        houses = rng.random() < 0.5
        height = rng.uniform(8, 16) if houses else rng.uniform(4, 9)
        if houses:
            block = street.across((x, x + 13), (0, height), FAR)
            canvas.shape("building", block, jitter(rng, (136, 126, 116), 14), PLASTER)
        else:
            tops = [(x + 14 - step, height + rng.uniform(-1, 1), FAR) for step in range(0, 15, 2)]
            leaf = jitter(rng, street.LEAVES[0], 10)
            canvas.shape("vegetation", [(x, 0, FAR), (x + 14, 0, FAR), *tops], leaf, street.FOLIAGE)


def _ground(canvas: Canvas, rng: np.random.Generator, layout: Layout) -> None:
    """Draw grass, sidewalks and the road, and the shadow of the houses between the sun and the street."""
    depth = (NEAR, FAR)
    asphalt, paving = jitter(rng, (92, 92, 96), 10), jitter(rng, (140, 134, 128), 10)
    grass = jitter(rng, (112, 124, 62), 10)
    canvas.shape("terrain", street.flat((-160, 160), 0, depth), grass, GRASS)
    canvas.shape("sidewalk", street.flat(layout.fronts, 0, depth), paving, PLASTER)
    left, right = layout.kerbs
    for joint in np.arange(4, 30, 1.5):
        for start, end in zip(layout.fronts, layout.kerbs, strict=True):
            canvas.detail(street.flat((start, end), 0, (joint, joint + 0.06)), shade(paving, 0.85))
    for start, end in ((left - layout.verges[0], left), (right, right + layout.verges[1])):
        if end > start:
            canvas.shape("terrain", street.flat((start, end), 0, depth), jitter(rng, grass, 6), GRASS)
    for start, end in ((left - 0.18, left), (right, right + 0.18)):
        canvas.shape("sidewalk", street.flat((start, end), 0, depth), shade(paving, 1.15))
    canvas.shape("road", street.flat(layout.kerbs, 0, depth), asphalt, ASPHALT)
    _road_marks(canvas, rng, layout, asphalt)
    sun = canvas.look.sun
    front, reach = layout.fronts[sun > 0], rng.uniform(2, 7)
    canvas.detail(street.flat(tuple(sorted((front, front - sun * reach))), 0, depth), (24, 28, 44), 0.34)


def _road_marks(canvas: Canvas, rng: np.random.Generator, layout: Layout, asphalt: Colour) -> None:
    """Draw lane marks, gutters, repairs, and sometimes rails or a crossing."""
    white = jitter(rng, (208, 208, 202), 10)
    left, right = layout.kerbs
    for depth in np.arange(NEAR + rng.uniform(0, 4), FAR, 6):
        canvas.detail(street.flat((-0.5 * LANE - 0.07, -0.5 * LANE + 0.07), 0, (depth, depth + 3)), white)
    for x, parked in ((-1.5 * LANE, layout.parking[0]), (0.5 * LANE, layout.parking[1])):
        if parked:
            canvas.detail(street.flat((x - 0.06, x + 0.06), 0, (NEAR, FAR)), white, 0.8)
    for start, end in ((left, left + 0.3), (right - 0.3, right)):
        canvas.detail(street.flat((start, end), 0, (NEAR, FAR)), shade(asphalt, 0.85))
    for _ in range(3):
        x, z = rng.uniform(left, right - 1.5), rng.uniform(5, 25)
        patch = street.flat((x, x + rng.uniform(0.6, 1.5)), 0, (z, z + rng.uniform(1, 4)))
        canvas.detail(patch, shade(asphalt, rng.uniform(0.82, 0.92)))
    if layout.large == "train":
        for x in (left + 1.0, left + 2.45):
            canvas.detail(street.flat((x - 0.06, x + 0.06), 0, (NEAR, FAR)), (66, 64, 64))
    elif rng.random() < 0.3:
        z = rng.uniform(8, 13)
        for x in np.arange(left + 0.4, right - 0.5, 1.0):
            canvas.detail(street.flat((x, x + 0.5), 0, (z, z + 3)), white)


def _roadside(canvas: Canvas, rng: np.random.Generator, layout: Layout, side: int) -> None:
    """Draw the plots along one side of the street, from far to near."""
    front, facade, boundary = (pair[side > 0] for pair in (layout.fronts, layout.facades, layout.boundaries))
    ends = [NEAR, rng.uniform(9, 11), rng.uniform(22, 28)]
    while ends[-1] < FAR:
        ends.append(ends[-1] + rng.uniform(10, 18))
    for plot in range(len(ends) - 2, -1, -1):
        stretch = (ends[plot], ends[plot + 1])
        colour = jitter(rng, facade if plot < 2 else street.FACADES[rng.integers(len(street.FACADES))], 10)
        kind = boundary if plot == 1 else None
        setback = side * 2.5 if kind else 0.0
        if rng.random() < (0.5 if kind else 0.28):
            street.trees(canvas, rng, side, front + setback, stretch)
        else:
            street.building(canvas, rng, side, front + setback, stretch, colour)
        if kind == "wall":
            street.wall(canvas, rng, side, front, stretch, facade)
        elif kind == "fence":
            street.fence(canvas, rng, front, stretch)


def _furniture(canvas: Canvas, rng: np.random.Generator, layout: Layout) -> Iterator[Item]:
    """Yield lamps, lights, signs, trees and litter bins along both kerbs."""
    lights_at = (-1, 1)[rng.integers(2)]
    for side in (-1, 1):
        kerb, front, facade = (pair[side > 0] for pair in (layout.kerbs, layout.fronts, layout.facades))
        x, steel = kerb + side * 0.45, jitter(rng, mix(street.STEEL, shade(facade, 0.8), 0.6), 10)
        for z in np.arange(rng.uniform(9, 16), 75, rng.uniform(18, 24)):
            yield z, partial(street.lamp, canvas, rng, side, x, z, steel)
        if side == lights_at or rng.random() < 0.4:
            z = rng.uniform(8, 15)
            yield z, partial(street.traffic_light, canvas, rng, side, x, z, shade(steel, 0.9))
        for z in (rng.uniform(7.5, 14), rng.uniform(16, 40)):
            yield z, partial(street.traffic_sign, canvas, rng, x + side * 0.2, z, steel)
        if rng.random() < 0.5:
            for z in np.arange(rng.uniform(11, 18), 70, rng.uniform(9, 14)):
                yield z, partial(street.street_tree, canvas, rng, kerb + side * 0.9, z)
        if rng.random() < 0.2:
            z, label = rng.uniform(8, 18), ("static", "dynamic")[rng.integers(2)]
            yield z, partial(_bin, canvas, label, front - side * 0.7, z)


def _traffic(canvas: Canvas, rng: np.random.Generator, layout: Layout) -> Iterator[Item]:
    """Yield moving and parked vehicles; a large one has its lane to itself up to its own distance."""
    ahead, oncoming = rng.uniform(13, 32), rng.uniform(12, 40)
    if layout.large in ("bus", "truck"):
        draw = {"bus": traffic.bus, "truck": traffic.truck}[layout.large]
        z, own_lane = rng.uniform(11, 19), rng.random() < 0.5
        yield z, partial(draw, canvas, rng, 0.2 if own_lane else -LANE, z, not own_lane)
        ahead, oncoming = (z + 25, oncoming) if own_lane else (ahead, z + 25)
    if layout.large == "train":
        z = rng.uniform(10, 16)
        yield z, partial(traffic.train, canvas, rng, layout.kerbs[0] + 1.72, z)
    yield ahead, partial(traffic.car, canvas, rng, rng.uniform(-0.2, 0.2), ahead, False)
    for z in (oncoming, oncoming + rng.uniform(8, 25)):
        yield z, partial(traffic.car, canvas, rng, -LANE + rng.uniform(-0.2, 0.2), z, True)
    track = 3.4 if layout.large == "train" else 0.0
    for side in (-1, 1):
        x = layout.kerbs[side > 0] - side * (1.1 + (track if side < 0 else 0.0))
        for z in np.arange(rng.uniform(6, 12), 70, 6.2) if layout.parking[side > 0] else ():
            if rng.random() < 0.65:
                yield z, partial(traffic.car, canvas, rng, x, z, side < 0)


def _people(canvas: Canvas, rng: np.random.Generator, layout: Layout) -> Iterator[Item]:
    """Yield people on the sidewalks, a rider if it is its turn, and bicycles left at the walls."""
    for z in (rng.uniform(7, 12), *rng.uniform(8, 40, rng.integers(2, 7))):
        side = rng.integers(2)
        edge = layout.kerbs[side] + (1 if side else -1) * layout.verges[side]
        x = edge + rng.uniform(0.25, 0.8) * (layout.fronts[side] - edge)
        yield z, partial(traffic.person, canvas, rng, x, z)
    if layout.mount is not None:
        x, z, squeeze = rng.uniform(-1.0, 1.4), rng.uniform(7, 10.5), rng.uniform(0.35, 1.0) * (-1) ** rng.integers(2)
        yield z, partial(traffic.rider, canvas, rng, x, z, squeeze, layout.mount)
    if rng.random() < 0.35:
        side = rng.integers(2)
        x, z = layout.fronts[side] + (-0.8 if side else 0.8), rng.uniform(8, 14)
        yield z, partial(traffic.bicycle, canvas, rng, x, z, rng.uniform(0.5, 1.0))


def _bin(canvas: Canvas, label: str, x: float, z: float) -> None:
    """Draw a litter bin that is fixed ("static") or has been put out ("dynamic")."""
    colour = (76, 84, 80) if label == "static" else (62, 66, 92)
    canvas.shape(label, street.across((x - 0.35, x + 0.35), (0, 1.0), z), colour)
    canvas.shape(label, street.across((x - 0.4, x + 0.4), (1.0, 1.12), z), shade(colour, 0.7))


def _bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw the camera car's own bonnet, in half of the scenes."""
    top, colour = rng.uniform(0.91, 0.95), jitter(rng, (46, 48, 54), 14)
    if rng.random() < 0.5:
        bend = [(share, top + 0.1 * (2 * share - 1) ** 4) for share in np.linspace(0.02, 0.98, 25)]
        canvas.overlay("ego vehicle", [(0.02, 1.0), *bend, (0.98, 1.0)], colour)
