"""Traffic of a synthetic scene: vehicles, persons, riders and their mounts.

Vehicles are built of prisms: a profile (z, y) seen from the side, extruded across the vehicle's width. `x` is the
vehicle's middle, `z` its end nearer to the camera; `oncoming` vehicles show their front.
"""

import numpy as np

from fbnet.data.synthetic.canvas import Canvas, Colour, Span, ellipse, jitter, shade
from fbnet.data.synthetic.street import GLASS, across, along, facing, flat

PAINTS = ((34, 36, 40), (92, 96, 100), (150, 152, 154), (206, 206, 204), (128, 34, 34), (44, 62, 110), (70, 84, 66))
CLOTHES = ((44, 48, 66), (110, 40, 40), (70, 80, 62), (136, 118, 92), (52, 52, 54), (60, 86, 120), (150, 148, 142))
SKINS = ((204, 164, 138), (168, 124, 96), (120, 84, 62))
TYRE = (26, 26, 28)

Profile = list[tuple[float, float]]


def car(canvas: Canvas, rng: np.random.Generator, x: float, z: float, oncoming: bool) -> None:
    """Draw a car."""
    paint = jitter(rng, PAINTS[rng.integers(len(PAINTS))], 10)
    boot, length = rng.uniform(0.1, 0.9), rng.uniform(3.9, 4.6)
    cabin = [(boot, 0.88), (boot + 0.45, 1.42), (length - 1.9, 1.44), (length - 1.2, 0.88)]
    if oncoming:
        cabin = [(length - depth, y) for depth, y in reversed(cabin)]
    sides = (x - 0.9, x + 0.9)
    _underside(canvas, "car", sides, (z, z + length), 0.38)
    _prism(canvas, "car", sides, z, [(0, 0.3), (0, 0.78), (0.12, 0.9), (length, 0.86), (length, 0.3)], paint)
    _wheels(canvas, "car", sides, z, (0.75, length - 0.8), 0.33)
    glazed = (x - 0.74, x + 0.74)
    _prism(canvas, "car", glazed, z, cabin, shade(GLASS, 0.9))
    _, (near, top), (far, _), _ = cabin
    canvas.detail(across(glazed, (top - 0.09, top), z + near), shade(paint, 0.95))
    side = _visible_side(glazed)
    if side is not None:  # roof and pillar
        canvas.detail(along(side, (top - 0.09, top), (z + near, z + far)), paint)
        pillar = z + (near + far) / 2
        canvas.detail(along(side, (0.88, top), (pillar, pillar + 0.12)), paint)
    canvas.detail(across(sides, (0.3, 0.44), z), (48, 48, 50))
    middle = sum(sides) / 2
    canvas.detail(across((middle - 0.26, middle + 0.26), (0.48, 0.6), z), (212, 212, 208))
    if oncoming:
        canvas.detail(across((middle - 0.5, middle + 0.5), (0.62, 0.74), z), (40, 40, 42))
    _lights(canvas, sides, (0.62, 0.78), z, oncoming)


def bus(canvas: Canvas, rng: np.random.Generator, x: float, z: float, oncoming: bool) -> None:
    """Draw a city bus."""
    paint = jitter(rng, ((168, 142, 60), (150, 52, 46), (66, 98, 128), (186, 184, 176))[rng.integers(4)], 10)
    sides, length = (x - 1.25, x + 1.25), 11.0
    _underside(canvas, "bus", sides, (z, z + length), 0.42)
    _prism(canvas, "bus", sides, z, [(0, 0.35), (0, 2.85), (0.2, 3.0), (length, 3.0), (length, 0.35)], paint)
    _wheels(canvas, "bus", sides, z, (2.4, length - 2.6), 0.48)
    side = _visible_side(sides)
    if side is not None:
        for start in np.arange(0.4, length - 1, 1.5):
            canvas.detail(along(side, (1.35, 2.45), (z + start, z + start + 1.35)), GLASS)
        canvas.detail(along(side, (0.85, 1.05), (z, z + length)), shade(paint, 1.25))
    bottom = 1.0 if oncoming else 1.55
    canvas.detail(across((x - 1.08, x + 1.08), (bottom, 2.45), z), shade(GLASS, 0.9))
    canvas.detail(across((x - 0.7, x + 0.7), (2.55, 2.78), z), (40, 40, 36))
    _lights(canvas, sides, (0.6, 0.85), z, oncoming)


def truck(canvas: Canvas, rng: np.random.Generator, x: float, z: float, oncoming: bool) -> None:
    """Draw a truck with a box body."""
    paint = jitter(rng, ((160, 160, 156), (196, 194, 186), (96, 112, 92), (140, 116, 80))[rng.integers(4)], 12)
    cab = jitter(rng, PAINTS[rng.integers(len(PAINTS))], 10)
    sides, box = (x - 1.2, x + 1.2), [(0, 0.95), (0, 3.3), (6, 3.3), (6, 0.95)]
    _underside(canvas, "truck", sides, (z, z + 8), 1.0)
    if oncoming:
        _prism(canvas, "truck", sides, z + 2.1, box, paint)
        _wheels(canvas, "truck", sides, z, (1.1, 6.4), 0.48)
        _prism(canvas, "truck", (x - 1.1, x + 1.1), z, [(0, 0.4), (0, 1.4), (0.2, 2.6), (1.9, 2.6), (1.9, 0.4)], cab)
        canvas.detail(across((x - 0.95, x + 0.95), (1.45, 2.35), z), GLASS)
    else:
        _prism(canvas, "truck", (x - 1.1, x + 1.1), z + 6.2, [(0, 0.4), (0, 2.6), (1.8, 2.6), (1.8, 0.4)], cab)
        _wheels(canvas, "truck", sides, z, (1.3, 7.0), 0.48)
        _prism(canvas, "truck", sides, z, box, paint)
        canvas.detail(across((x - 0.03, x + 0.03), (1.0, 3.25), z), shade(paint, 0.6))
        canvas.detail(across((x - 1.1, x + 1.1), (3.05, 3.15), z), shade(paint, 0.7))
    _lights(canvas, sides, (0.62, 0.85), z, oncoming)


def train(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw an oncoming tram of 28 m."""
    paint = jitter(rng, ((176, 158, 70), (152, 54, 50), (72, 110, 96), (190, 188, 182))[rng.integers(4)], 10)
    sides, length = (x - 1.2, x + 1.2), 28.0
    nose = [(0, 0.3), (0, 1.25), (0.5, 2.7), (1.0, 3.4), (length, 3.4), (length, 0.3)]
    _shadow(canvas, sides, (z, z + length))
    _prism(canvas, "train", sides, z, nose, paint)
    windscreen = [(x - 1.0, 1.35, z), (x + 1.0, 1.35, z), (x + 0.95, 2.6, z + 0.5), (x - 0.95, 2.6, z + 0.5)]
    canvas.detail(windscreen, shade(GLASS, 0.85))
    side = _visible_side(sides)
    if side is not None:
        canvas.detail(along(side, (3.0, 3.4), (z + 1, z + length)), shade(paint, 0.7))
        for start in np.arange(1.4, length - 1, 1.9):
            canvas.detail(along(side, (1.4, 2.6), (z + start, z + start + 1.6)), GLASS)
        for joint in (9.5, 18.5):
            canvas.detail(along(side, (0.3, 3.4), (z + joint, z + joint + 0.7)), (52, 52, 54))
    canvas.detail(across((x - 0.6, x + 0.6), (0.3, 0.5), z), (44, 44, 46))
    _lights(canvas, sides, (0.75, 1.0), z, oncoming=True)


def person(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a pedestrian."""
    size, stride = rng.uniform(0.9, 1.06), rng.uniform(0.05, 0.22)
    top, trousers = (jitter(rng, CLOTHES[rng.integers(len(CLOTHES))], 12) for _ in range(2))
    skin = SKINS[rng.integers(len(SKINS))]
    canvas.detail(flat((x - 0.35, x + 0.35), 0, (z - 0.2, z + 0.3)), (20, 20, 24), 0.4)
    parts = (
        ([(-0.16, 0.9), (0.02, 0.9), (-stride + 0.06, 0), (-stride - 0.1, 0)], trousers),
        ([(-0.02, 0.9), (0.16, 0.9), (stride + 0.1, 0), (stride - 0.06, 0)], shade(trousers, 0.88)),
        ([(-0.24, 1.42), (-0.17, 0.82), (0.17, 0.82), (0.24, 1.42), (0.1, 1.5), (-0.1, 1.5)], top),
        ([(-0.24, 1.42), (-0.33, 0.86), (-0.24, 0.84), (-0.15, 1.4)], shade(top, 0.85)),
        ([(0.24, 1.42), (0.33, 0.86), (0.24, 0.84), (0.15, 1.4)], shade(top, 0.85)),
        (ellipse(0, 1.62, 0.11, 0.14, 10), skin),
    )
    for points, colour in parts:
        canvas.shape("person", facing(x, z, [(size * dx, size * y) for dx, y in points]), colour)
    hair = [(-0.11, 1.64), (-0.08, 1.75), (0.08, 1.75), (0.11, 1.64)]
    canvas.detail(facing(x, z, [(size * dx, size * y) for dx, y in hair]), (58, 46, 38))


def bicycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float, squeeze: float) -> None:
    """Draw a bicycle; the background shows through its wheels."""
    paint = jitter(rng, ((40, 42, 46), (120, 40, 42), (48, 74, 110), (90, 96, 92))[rng.integers(4)], 10)
    for middle in (-0.52, 0.52):
        wheel = ellipse(middle, 0.34, 0.34, 0.34)
        canvas.area("bicycle", facing(x, z, wheel, squeeze))
        inner = [(middle + 0.8 * (dx - middle), 0.34 + 0.8 * (y - 0.34)) for dx, y in wheel]
        for quad in zip(wheel, wheel[1:] + wheel[:1], inner[1:] + inner[:1], inner, strict=True):
            canvas.detail(facing(x, z, quad, squeeze), TYRE)
        canvas.detail(facing(x, z, wheel, squeeze), (70, 72, 74), 0.35)  # spokes
    frame = [(-0.52, 0.3), (-0.2, 0.85), (0.38, 0.85), (0.52, 0.34), (0.46, 0.34), (0.3, 0.74), (-0.05, 0.3)]
    canvas.shape("bicycle", facing(x, z, frame, squeeze), paint)
    bars = [(0.28, 0.82), (0.34, 1.05), (0.52, 1.05), (0.52, 0.98), (0.42, 0.98), (0.36, 0.8)]
    canvas.shape("bicycle", facing(x, z, bars, squeeze), paint)


def motorcycle(canvas: Canvas, rng: np.random.Generator, x: float, z: float, squeeze: float) -> None:
    """Draw a motorcycle."""
    paint = jitter(rng, ((130, 34, 34), (40, 62, 112), (42, 44, 46), (150, 120, 50))[rng.integers(4)], 12)
    for middle in (-0.68, 0.68):
        canvas.shape("motorcycle", facing(x, z, ellipse(middle, 0.32, 0.33, 0.32), squeeze), TYRE)
        canvas.detail(facing(x, z, ellipse(middle, 0.32, 0.16, 0.15), squeeze), (120, 122, 124))
    block = [(-0.5, 0.3), (-0.45, 0.6), (0.4, 0.62), (0.62, 0.32), (0.3, 0.22), (-0.3, 0.22)]
    body = [(-0.98, 0.78), (-0.5, 0.6), (0.35, 0.6), (0.5, 0.8), (0.42, 1.02), (0.1, 0.98), (-0.25, 0.76), (-0.8, 0.86)]
    front = [(0.36, 0.98), (0.42, 1.16), (0.54, 1.2), (0.62, 0.9), (0.74, 0.36), (0.62, 0.34)]
    for points, colour in ((block, (70, 70, 74)), (body, paint), (front, shade(paint, 0.8))):
        canvas.shape("motorcycle", facing(x, z, points, squeeze), colour)


def rider(canvas: Canvas, rng: np.random.Generator, x: float, z: float, squeeze: float, mount: str) -> None:
    """Draw a person riding a bicycle or a motorcycle."""
    top, trousers = (jitter(rng, CLOTHES[rng.integers(len(CLOTHES))], 12) for _ in range(2))
    canvas.detail(flat((x - abs(squeeze), x + abs(squeeze)), 0, (z - 0.2, z + 0.3)), (20, 20, 24), 0.4)
    draw_mount = {"bicycle": bicycle, "motorcycle": motorcycle}[mount]
    draw_mount(canvas, rng, x, z, squeeze)
    leg = [(-0.3, 0.98), (0.14, 0.74), (0.0, 0.26), (0.16, 0.2), (0.32, 0.8), (-0.1, 1.06)]
    trunk = [(-0.36, 0.92), (-0.04, 0.92), (0.22, 1.42), (0.1, 1.56), (-0.08, 1.52), (-0.34, 1.15)]
    arm = [(0.12, 1.46), (0.3, 1.12), (0.5, 1.1), (0.48, 1.02), (0.22, 1.02), (0.0, 1.38)]
    # At an angle, shoulders stay broad while the length of the vehicle shrinks.
    breadth = max(abs(squeeze), 0.62) * (1 if squeeze > 0 else -1)
    for points, colour in ((leg, trousers), (trunk, top), (arm, shade(top, 0.85))):
        canvas.shape("rider", facing(x, z, points, breadth), colour)
    neck = x + 0.17 * breadth
    canvas.shape("rider", facing(neck, z, ellipse(0, 1.68, 0.13, 0.15, 10)), SKINS[rng.integers(len(SKINS))])
    helmet = jitter(rng, CLOTHES[rng.integers(len(CLOTHES))], 20)
    canvas.shape("rider", facing(neck, z, [(-0.15, 1.7), (-0.11, 1.84), (0.08, 1.86), (0.16, 1.72)]), helmet)


def _prism(canvas: Canvas, label: str, sides: Span, z: float, profile: Profile, paint: Colour) -> None:
    """Draw a prism: its faces from far to near, then the side that the camera sees."""
    for (far, far_y), (near, near_y) in zip(profile[:0:-1], profile[-2::-1], strict=True):
        level = abs(far - near) > abs(far_y - near_y)
        corners = [(sides[0], near_y, z + near), (sides[1], near_y, z + near)]
        corners += [(sides[1], far_y, z + far), (sides[0], far_y, z + far)]
        canvas.shape(label, corners, shade(paint, 1.15 if level else 0.86))
    side = _visible_side(sides)
    if side is not None:
        brightness = 1.05 if (side > 0) == (canvas.look.sun < 0) else 0.7
        canvas.shape(label, [(side, y, z + depth) for depth, y in profile], shade(paint, brightness))


def _lights(canvas: Canvas, sides: Span, y: Span, z: float, oncoming: bool) -> None:
    colour = (232, 230, 210) if oncoming else (178, 34, 30)
    for start, end in ((sides[0] + 0.05, sides[0] + 0.38), (sides[1] - 0.38, sides[1] - 0.05)):
        canvas.detail(across((start, end), y, z), colour)


def _underside(canvas: Canvas, label: str, sides: Span, z: Span, height: float) -> None:
    """Draw the shadow of a vehicle, its tyres and the dark gap between them."""
    _shadow(canvas, sides, z)
    canvas.shape(label, across((sides[0] + 0.05, sides[1] - 0.05), (0.14, height), z[0] + 0.05), (24, 24, 26))
    for start in (sides[0] + 0.06, sides[1] - 0.3):
        canvas.shape(label, across((start, start + 0.24), (0, height), z[0] + 0.05), TYRE)


def _wheels(canvas: Canvas, label: str, sides: Span, z: float, axles: Span, radius: float) -> None:
    side = _visible_side(sides)
    if side is not None:
        for axle in axles:
            tyre, rim = (ellipse(z + axle, radius, size * radius, size * radius) for size in (1.0, 0.55))
            canvas.shape(label, [(side, y, depth) for depth, y in tyre], TYRE)
            canvas.detail([(side, y, depth) for depth, y in rim], (130, 132, 134))


def _shadow(canvas: Canvas, sides: Span, z: Span) -> None:
    canvas.detail(flat((sides[0] - 0.25, sides[1] + 0.25), 0, (z[0] - 0.25, z[1])), (16, 16, 20), 0.55)


def _visible_side(sides: Span) -> float | None:
    """Return the side of a vehicle that the camera sees; None for one straight ahead."""
    if sides[0] > 0:
        return sides[0]
    return sides[1] if sides[1] < 0 else None
