"""Objects along the street of a synthetic scene: buildings, trees, walls, fences, poles, lights and signs.

`side` is -1 on the left and 1 on the right of the street, `z` the depth or the (near, far) depths of an object.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from fbnet.data.synthetic.canvas import FOLIAGE, PLASTER, Canvas, Colour, Point, Span, ellipse, jitter, mix, shade

FACADES = ((176, 160, 138), (158, 118, 98), (140, 138, 134), (186, 172, 152), (128, 108, 96), (164, 150, 118))
ROOFS = ((112, 66, 54), (74, 74, 80), (92, 80, 74))
LEAVES = ((70, 98, 48), (88, 108, 52), (60, 88, 56), (104, 108, 50))
BARK = (78, 66, 54)
GLASS = (58, 70, 84)
STEEL = (112, 114, 116)

STOREY = 3.1
GROUND_FLOOR = 3.9


def along(x: float, y: Span, z: Span) -> list[Point]:
    """Return a rectangle in a plane along the street."""
    return [(x, y[0], z[0]), (x, y[1], z[0]), (x, y[1], z[1]), (x, y[0], z[1])]


def across(x: Span, y: Span, z: float) -> list[Point]:
    """Return a rectangle that faces the camera."""
    return [(x[0], y[0], z), (x[0], y[1], z), (x[1], y[1], z), (x[1], y[0], z)]


def flat(x: Span, y: float, z: Span) -> list[Point]:
    """Return a level rectangle at height y."""
    return [(x[0], y, z[0]), (x[0], y, z[1]), (x[1], y, z[1]), (x[1], y, z[0])]


def facing(x: float, z: float, points: Sequence[tuple[float, float]], squeeze: float = 1.0) -> list[Point]:
    """Return a flat figure at (x, z) that faces the camera, from points (right of x, height).

    `squeeze` scales it sideways, as if it were seen at an angle.
    """
    return [(x + squeeze * dx, y, z) for dx, y in points]


def lit(canvas: Canvas, side: int) -> float:
    """Return the brightness of the fronts on one side of the street."""
    return 0.74 if canvas.look.sun == side else 1.06


def building(canvas: Canvas, rng: np.random.Generator, side: int, x: float, z: Span, facade: Colour) -> None:
    """Draw a house whose front stands at x along the street."""
    storeys = int(rng.integers(2, 6))
    height = GROUND_FLOOR + storeys * STOREY + 0.6
    front = shade(facade, lit(canvas, side))
    canvas.shape("building", across((x, x + side * 14), (0, height), z[0]), shade(facade, 0.88), PLASTER)
    _roof(canvas, rng, side, x, z, height)
    canvas.shape("building", along(x, (0, height), z), front, PLASTER)
    canvas.detail(along(x, (height - 0.4, height), z), shade(front, 0.8))
    sills = [GROUND_FLOOR + storey * STOREY + 0.7 for storey in range(storeys)]
    for sill in sills:  # in the end wall, visible where the house before it is lower or missing
        for start in (x + side * 2.2, x + side * 5.6, x + side * 9.0):
            canvas.detail(across((start, start + side * 1.1), (sill, sill + 1.5), z[0]), shade(front, 0.45))
    _ground_floor(canvas, rng, x, z, front)
    spacing, frame = rng.uniform(2.3, 3.2), mix(front, (235, 232, 225), 0.45)
    for sill in sills:
        for start, end in _bays(z, spacing, 0.48):
            canvas.detail(along(x, (sill - 0.12, sill + 1.72), (start - 0.14, end + 0.14)), frame)
            canvas.detail(along(x, (sill, sill + 1.6), (start, end)), shade(GLASS, rng.uniform(0.75, 1.3)))
            canvas.detail(along(x, (sill + 0.75, sill + 0.83), (start, end)), frame)


def trees(canvas: Canvas, rng: np.random.Generator, side: int, x: float, z: Span) -> None:
    """Draw a hedge with trees behind it, as at the edge of a park."""
    leaf = jitter(rng, LEAVES[rng.integers(len(LEAVES))], 8)
    for depth in np.linspace(z[1], z[0], 4).tolist():
        middle = (x + side * rng.uniform(2, 4), rng.uniform(3.5, 6.5), depth)
        crown(canvas, rng, middle, rng.uniform(2.4, 3.6), leaf)
    tops = [(x, rng.uniform(1.6, 2.6), depth) for depth in np.linspace(z[1], z[0], 14).tolist()]
    hedge = shade(leaf, 0.8 * lit(canvas, side))
    canvas.shape("vegetation", [(x, 0, z[0]), (x, 0, z[1]), *tops], hedge, FOLIAGE)


def crown(canvas: Canvas, rng: np.random.Generator, middle: Point, radius: float, leaf: Colour) -> None:
    """Draw the crown of a tree: overlapping blobs, brighter towards the top."""
    x, y, z = middle
    lifts = np.linspace(-0.5, 0.5, 5)
    sway, size, tint = rng.uniform(-0.6, 0.6, 5) * (1 - abs(lifts)), rng.uniform(0.55, 0.75, 5), rng.uniform(-1, 1, 5)
    outlines = np.array(ellipse(0, 0, 1, 1)) * rng.uniform(0.82, 1.12, (5, 12, 1)) * size[:, None, None]
    outlines += np.stack([sway, lifts], axis=1)[:, None]
    for outline, brightness in zip(outlines.tolist(), 1 + 0.3 * lifts + 0.06 * tint, strict=True):
        points = [(x + radius * u, y + radius * v, z) for u, v in outline]
        canvas.shape("vegetation", points, shade(leaf, float(brightness)), FOLIAGE)


def street_tree(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a tree on the sidewalk."""
    height = rng.uniform(4.2, 5.8)
    canvas.upright("vegetation", (x, 0, z), height, rng.uniform(0.22, 0.34), BARK)
    leaf = jitter(rng, LEAVES[rng.integers(len(LEAVES))], 8)
    crown(canvas, rng, (x, height + 0.8, z), rng.uniform(1.6, 2.2), leaf)


def wall(canvas: Canvas, rng: np.random.Generator, side: int, x: float, z: Span, facade: Colour) -> None:
    """Draw a wall along the street in nearly the colour of the house beside it."""
    height = rng.uniform(1.9, 2.8)
    colour = jitter(rng, facade, 9)
    front = shade(colour, lit(canvas, side))
    canvas.shape("wall", across((x, x + side * 0.5), (0, height), z[0]), shade(colour, 0.86), PLASTER)
    canvas.shape("wall", along(x, (0, height), z), front, PLASTER)
    canvas.detail(along(x, (height - 0.15, height), z), shade(front, 0.8))
    for row in np.arange(0.45, height - 0.2, 0.45):
        canvas.detail(along(x, (row, row + 0.03), z), shade(front, 0.86))
    for depth in np.arange(z[0] + 3, z[1], 3):
        canvas.detail(along(x, (0, height), (depth, depth + 0.35)), shade(front, 0.93))


def fence(canvas: Canvas, rng: np.random.Generator, x: float, z: Span) -> None:
    """Draw a see-through fence of bars along the street."""
    height = rng.uniform(1.3, 2.0)
    colour = jitter(rng, ((92, 98, 88), (120, 98, 76), (140, 140, 136))[rng.integers(3)], 12)
    quad = along(x, (0, height), z)
    canvas.area("fence", quad)
    canvas.detail(quad, colour, 0.4)
    for depth in np.arange(z[0], z[1], 0.5).tolist():
        canvas.detail(along(x, (0.1, height), (depth, depth + 0.14)), colour)
    for row in (0.2, height - 0.15):
        canvas.detail(along(x, (row, row + 0.12), z), shade(colour, 0.9))


def lamp(canvas: Canvas, rng: np.random.Generator, side: int, x: float, z: float, colour: Colour) -> None:
    """Draw a street lamp whose arm reaches over the road."""
    height, reach = rng.uniform(6, 8), -side * rng.uniform(1.0, 1.8)
    canvas.upright("pole", (x, 0, z), height, 0.15, colour)
    arm = [(x, height - 0.1, z), (x + reach, height + 0.25, z), (x + reach, height + 0.36, z), (x, height + 0.02, z)]
    canvas.shape("pole", arm, colour)
    canvas.shape("pole", across((x + reach, x + 1.45 * reach), (height + 0.2, height + 0.4), z), shade(colour, 1.15))


def traffic_light(canvas: Canvas, rng: np.random.Generator, side: int, x: float, z: float, colour: Colour) -> None:
    """Draw a light on a post at the kerb, half of the time with a second one on an arm over the road."""
    green, on_arm = rng.random() < 0.5, rng.random() < 0.5
    canvas.upright("pole", (x, 0, z), 5.6 if on_arm else 2.9, 0.16, colour)
    _light_box(canvas, x, 2.5, z, green)
    if on_arm:
        reach = -side * 3.0
        canvas.shape("pole", across((x, x + reach), (5.4, 5.54), z), colour)
        _light_box(canvas, x + reach, 4.8, z, green)


def traffic_sign(canvas: Canvas, rng: np.random.Generator, x: float, z: float, colour: Colour) -> None:
    """Draw one or two signs on a post."""
    height, size = rng.uniform(2.3, 2.9), rng.uniform(0.3, 0.42)
    canvas.upright("pole", (x, 0, z), height + size, 0.09, colour)
    triangle = [(0, 1.1), (-1.1, -0.8), (1.1, -0.8)]
    square, disc = [(-1, -1), (1, -1), (1, 1), (-1, 1)], ellipse(0, 0, 1, 1, 14)
    outline, rim, face = (
        (disc, (176, 42, 40), (218, 216, 210)),
        (triangle, (176, 42, 40), (218, 216, 210)),
        (square, (206, 208, 206), (46, 84, 150)),
        (disc, (200, 204, 206), (46, 84, 150)),
    )[rng.integers(4)]
    outer, inner = ([(size * k * u, height + size + size * k * v) for u, v in outline] for k in (1.0, 0.68))
    canvas.shape("traffic sign", facing(x, z, outer), rim)
    canvas.detail(facing(x, z, inner), face)
    if rng.random() < 0.5:
        plate = across((x - 0.9 * size, x + 0.9 * size), (height - 0.75 * size, height - 0.15 * size), z)
        canvas.shape("traffic sign", plate, (206, 206, 202))


def _light_box(canvas: Canvas, x: float, y: float, z: float, green: bool) -> None:
    canvas.shape("traffic light", across((x - 0.2, x + 0.2), (y, y + 1.05), z), (38, 40, 40))
    lamps = ((0.85, (214, 48, 40), not green), (0.52, (120, 92, 40), False), (0.2, (70, 204, 120), green))
    for height, colour, on in lamps:
        bulb = ellipse(0, y + height, 0.13, 0.13, 10)
        canvas.detail(facing(x, z, bulb), colour if on else shade(colour, 0.35))


def _roof(canvas: Canvas, rng: np.random.Generator, side: int, x: float, z: Span, height: float) -> None:
    """Draw a mansard roof on half of the houses; a flatter one would not be seen from the street."""
    colour = shade(jitter(rng, ROOFS[rng.integers(len(ROOFS))], 8), lit(canvas, side))
    rise = rng.uniform(2.0, 3.0)
    if rng.random() < 0.5:
        top = [(x + side * 0.8, height + rise, z[1]), (x + side * 0.8, height + rise, z[0])]
        canvas.shape("building", across((x + side * 0.8, x + side * 14), (height, height + rise), z[0]), colour)
        canvas.shape("building", [(x, height, z[0]), (x, height, z[1]), *top], colour, PLASTER)


def _ground_floor(canvas: Canvas, rng: np.random.Generator, x: float, z: Span, front: Colour) -> None:
    """Draw shop windows under an awning, or windows and doors."""
    shop = rng.random() < 0.45
    canvas.detail(along(x, (0, 0.6), z), shade(front, 0.75))
    canvas.detail(along(x, (GROUND_FLOOR - 0.35, GROUND_FLOOR - 0.15), z), shade(front, 0.85))
    awning = jitter(rng, ((140, 52, 46), (52, 84, 72), (60, 72, 110), (168, 150, 110))[rng.integers(4)], 12)
    for start, end in _bays(z, 4.0 if shop else 3.0, 0.8 if shop else 0.45):
        if shop:
            canvas.detail(along(x, (0.6, 2.7), (start, end)), mix(GLASS, (210, 190, 140), rng.uniform(0.1, 0.5)))
            canvas.detail(along(x, (2.7, 3.3), (start, end)), awning)
        elif rng.random() < 0.3:
            canvas.detail(along(x, (0, 2.4), (start, end)), jitter(rng, (86, 64, 50), 12))
        else:
            canvas.detail(along(x, (1.1, 2.7), (start, end)), jitter(rng, GLASS, 14))


def _bays(z: Span, spacing: float, share: float) -> Iterator[Span]:
    """Yield evenly spaced spans between two depths, about `spacing` apart and `share` of it long."""
    count = max(round((z[1] - z[0]) / spacing), 1)
    step = (z[1] - z[0]) / count
    for bay in range(count):
        middle = z[0] + (bay + 0.5) * step
        yield middle - share * step / 2, middle + share * step / 2
