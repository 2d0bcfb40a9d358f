"""What sets the `shifted` split apart: places never seen elsewhere, and things in front of the animal."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from convscope.data.drawn.geometry import Array, Rng, closed_curve, ellipse, limb
from convscope.data.drawn.scene import FABRICS, GREENS, RGB, Place, Scene, mix, shade


def _snow(s: Scene) -> float:
    rng = s.rng
    s.gradient((150, 166, 186), (222, 228, 234), 0, 0.6)
    for _ in range(9):
        x, w, h = rng.uniform(0, 1), rng.uniform(0.06, 0.12), rng.uniform(0.25, 0.5)
        for k in range(3):
            y = 0.6 - h * k / 3.6
            s.polygon([(x - w * (1 - 0.25 * k), y), (x + w * (1 - 0.25 * k), y), (x, y - h * 0.45)], (66, 92, 88))
            s.polygon([(x - w * 0.4, y - h * 0.2), (x + w * 0.4, y - h * 0.2), (x, y - h * 0.45)], (226, 232, 238))
    s.gradient((214, 222, 234), (244, 246, 250), 0.58, 1)
    for _ in range(70):
        r = rng.uniform(0.004, 0.011)
        s.disc(rng.uniform(0, 1), rng.uniform(0, 1), r, r, (250, 251, 253))
    return 0.64


def _forest(s: Scene) -> float:
    rng = s.rng
    s.gradient((120, 140, 104), (58, 74, 50), 0, 0.7)
    for k in range(14):
        x, w = rng.uniform(-0.05, 1.05), 0.015 + 0.005 * k
        bark = shade((84, 66, 52), rng.uniform(0.6, 1.2))
        s.polygon([(x - w, 0), (x + w, 0), (x + w * 1.4, 0.72), (x - w * 1.4, 0.72)], bark)
        s.polygon([(x + w * 0.3, 0), (x + w, 0), (x + w * 1.4, 0.72), (x + w * 0.5, 0.72)], shade(bark, 0.7))
    s.gradient((86, 66, 40), (122, 88, 50), 0.68, 1)
    for _ in range(140):
        y = rng.uniform(0.67, 1)
        colour = s.pick(((168, 104, 40), (136, 76, 34), (184, 142, 60), (96, 88, 44)), 0.2)
        s.disc(rng.uniform(0, 1), y, 0.016, 0.008, colour)
    return 0.7


def _tiles(s: Scene) -> float:
    rng = s.rng
    a, b = (
        s.pick(((226, 232, 234), (60, 70, 82), (186, 214, 216))),
        s.pick(((70, 116, 140), (30, 34, 40), (160, 78, 70))),
    )
    step, floor = float(rng.uniform(0.07, 0.13)), 0.62
    for row in range(int(floor / step) + 1):
        for column in range(int(1 / step) + 1):
            colour = a if (row + column) % 2 else b
            s.box(
                column * step, row * step, (column + 1) * step, (row + 1) * step, shade(colour, rng.uniform(0.93, 1.04))
            )
    s.gradient(shade(a, 0.7), shade(a, 0.9), floor, 1)
    for k in range(-8, 9):
        s.line([(0.5 + k * 0.09, floor), (0.5 + k * 0.26, 1)], shade(a, 0.5), 0.008)
    for k in range(1, 5):
        y = floor + (1 - floor) * (k / 5) ** 1.6
        s.line([(0, y), (1, y)], shade(a, 0.5), 0.008)
    return floor


def _brick(s: Scene) -> float:
    rng = s.rng
    brick, mortar = s.pick(((158, 78, 58), (120, 66, 56), (186, 118, 84))), (190, 182, 172)
    s.gradient(mortar, mortar, 0, 0.75)
    for row in range(12):
        for column in range(-1, 7):
            x, y = (column + 0.5 * (row % 2)) * 0.18, row * 0.064
            s.box(x, y, x + 0.168, y + 0.053, shade(brick, rng.uniform(0.72, 1.2)))
    s.gradient((74, 72, 74), (112, 108, 104), 0.74, 1)
    return 0.76


def _night_city(s: Scene) -> float:
    rng = s.rng
    s.gradient((14, 18, 40), (48, 38, 66), 0, 0.7)
    s.gradient((30, 28, 40), (52, 48, 56), 0.7, 1)
    for _ in range(38):
        r = rng.uniform(0.02, 0.065)
        light = s.pick(((250, 190, 90), (240, 96, 80), (110, 180, 240), (250, 236, 190), (120, 220, 160)), 0.1)
        s.disc(rng.uniform(0, 1), rng.uniform(0.05, 0.68), r, r, mix(light, (30, 26, 50), float(rng.uniform(0, 0.6))))
    return 0.72


def _beach(s: Scene) -> float:
    s.gradient((92, 70, 130), (250, 154, 92), 0, 0.45)
    x = float(s.rng.uniform(0.15, 0.85))
    s.disc(x, 0.4, 0.09, 0.09, (255, 232, 168))
    s.gradient((214, 120, 96), (70, 96, 128), 0.45, 0.64)
    for _ in range(16):
        y, a = s.rng.uniform(0.46, 0.63), s.rng.uniform(0.02, 0.1)
        s.line([(x - a, y), (x + a, y)], (255, 208, 150), 0.006)
    s.gradient((176, 138, 98), (224, 190, 140), 0.64, 1)
    return 0.68


def _stripes(s: Scene) -> float:
    a, b = s.pick(FABRICS, 0.3), s.pick(((244, 238, 226), (34, 40, 58), (224, 90, 70), (246, 200, 70)))
    s.gradient(a, a)
    slant, step = float(s.rng.uniform(-0.6, 0.6)), float(s.rng.uniform(0.09, 0.18))
    for k in range(-8, 18):
        x = k * step
        s.polygon([(x, 0), (x + step / 2, 0), (x + step / 2 + slant, 1), (x + slant, 1)], b)
    return 0.6


SHIFTED_FAMILIES: dict[str, Place] = {
    "snow": _snow,
    "forest": _forest,
    "tiles": _tiles,
    "brick": _brick,
    "night city": _night_city,
    "beach": _beach,
    "stripes": _stripes,
}


class Occluder:
    """Things painted in front of the animal: a colour picture and its coverage, both on the canvas."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.colour = Image.new("RGB", (size, size))
        self.cover = Image.new("L", (size, size))
        self._paint, self._mark = ImageDraw.Draw(self.colour), ImageDraw.Draw(self.cover)

    def polygon(self, points: Array, colour: RGB) -> None:
        """One opaque polygon, in canvas pixels."""
        flat = np.asarray(points, dtype=np.float64).ravel().tolist()
        self._paint.polygon(flat, fill=colour)
        self._mark.polygon(flat, fill=255)


def _grass(o: Occluder, box: tuple[float, float, float, float], rng: Rng) -> None:
    x0, y0, x1, y1 = box
    tall = (y1 - y0) * float(rng.uniform(0.4, 0.72))
    green = GREENS[int(rng.integers(len(GREENS)))]
    for _ in range(int(rng.integers(34, 60))):
        x, w = rng.uniform(x0 - 0.1 * o.size, x1 + 0.1 * o.size), o.size * rng.uniform(0.008, 0.018)
        bend, h = rng.uniform(-0.08, 0.08) * o.size, tall * rng.uniform(0.5, 1.2)
        base = y1 + 0.05 * o.size
        blade = limb([(x, base), (x + bend * 0.4, base - h * 0.55), (x + bend, base - h)], [w, w * 0.8, w * 0.1], 4)
        o.polygon(blade, shade(green, rng.uniform(0.55, 1.15)))


def _fence(o: Occluder, box: tuple[float, float, float, float], rng: Rng) -> None:
    colour = ((236, 232, 224), (120, 92, 66), (52, 54, 58))[int(rng.integers(3))]
    step, wide = o.size * float(rng.uniform(0.12, 0.19)), o.size * float(rng.uniform(0.035, 0.06))
    x, top = (
        float(rng.uniform(-step, 0)),
        max(0.0, box[1] - 0.04 * o.size) + (box[3] - box[1]) * float(rng.uniform(0, 0.25)),
    )
    for y in (top + 0.12 * o.size, box[3] - 0.08 * o.size):
        o.polygon(np.array([[0, y], [o.size, y], [o.size, y + wide * 0.7], [0, y + wide * 0.7]]), shade(colour, 0.8))
    while x < o.size:
        post = [
            [x, top + wide * 0.6],
            [x + wide / 2, top],
            [x + wide, top + wide * 0.6],
            [x + wide, o.size],
            [x, o.size],
        ]
        o.polygon(np.array(post), shade(colour, float(rng.uniform(0.9, 1.05))))
        x += step


def _cushion(o: Occluder, box: tuple[float, float, float, float], rng: Rng) -> None:
    x0, y0, x1, y1 = box
    r = 0.36 * max(x1 - x0, y1 - y0)
    x, y = float(rng.choice([x0, x1])), float(rng.uniform(y0 + 0.45 * (y1 - y0), y1))
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False) + float(rng.uniform(0, 1))
    pillow = np.stack(
        [np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.55, np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.55], 1
    )
    colour = FABRICS[int(rng.integers(len(FABRICS)))]
    o.polygon(pillow * r + (x, y), shade(colour, 0.8))
    o.polygon(pillow * r * 0.9 + (x - 0.03 * r, y - 0.05 * r), shade(colour, 1.1))
    for k in (-0.4, 0.0, 0.4):
        o.polygon(ellipse(x + k * r, y, 0.05 * r, 0.8 * r), shade(colour, 0.9))


def _leaves(o: Occluder, box: tuple[float, float, float, float], rng: Rng) -> None:
    x0, y0, x1, y1 = box
    green = (*GREENS, (176, 106, 44))[int(rng.integers(len(GREENS) + 1))]
    for _ in range(int(rng.integers(9, 17))):
        x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
        r, a = o.size * rng.uniform(0.05, 0.1), rng.uniform(0, np.pi)
        o.polygon(ellipse(x, y, r, r * 0.42, a, 20), shade(green, rng.uniform(0.6, 1.2)))
        o.polygon(ellipse(x, y, r * 0.9, r * 0.05, a, 12), shade(green, 0.55))


def _hand(o: Occluder, box: tuple[float, float, float, float], rng: Rng) -> None:
    x0, y0, x1, y1 = box
    side = float(rng.choice([-1.0, 1.0]))
    r = 0.15 * max(x1 - x0, y1 - y0)
    x = (x0 + x1) / 2 + side * (x1 - x0) * float(rng.uniform(0.12, 0.3))
    y = y0 + (y1 - y0) * float(rng.uniform(0.25, 0.5))
    skin = ((232, 186, 156), (196, 142, 108), (128, 86, 62), (244, 206, 180))[int(rng.integers(4))]
    arm = limb(
        [(x + side * o.size, y + 1.6 * r), (x + side * 3 * r, y + 0.8 * r), (x + side * r, y)], [r, r * 0.8, r * 0.75]
    )
    o.polygon(arm, skin)
    for k in range(4):
        w = r * 0.2
        dy = (k - 1.5) * 0.38 * r
        finger = limb(
            [
                (x + side * r * 0.6, y + dy * 0.8),
                (x - side * r * 0.4, y + dy),
                (x - side * r * (1.1 - 0.1 * k), y + dy + 0.15 * r),
            ],
            [w, w, w * 0.85],
            4,
        )
        o.polygon(finger, shade(skin, 0.98 - 0.05 * (k % 2)))
    cuff = closed_curve(
        limb([(x + side * o.size, y + 1.6 * r), (x + side * 3.2 * r, y + 0.86 * r)], [1.3 * r, 1.1 * r], 3), 2
    )
    o.polygon(cuff, FABRICS[int(rng.integers(len(FABRICS)))])


OCCLUDERS: dict[str, Callable[[Occluder, tuple[float, float, float, float], Rng], None]] = {
    "grass": _grass,
    "fence": _fence,
    "cushion": _cushion,
    "leaves": _leaves,
    "hand": _hand,
}


def paint_occluder(size: int, box: tuple[float, float, float, float], rng: Rng) -> tuple[Array, Array]:
    """Something in front of an animal whose bounding box (x0, y0, x1, y1) is given in canvas pixels.

    Returns:
        float32 colours (size, size, 3) and coverage (size, size), 0..1.
    """
    occluder = Occluder(size)
    names = list(OCCLUDERS)
    OCCLUDERS[names[int(rng.integers(len(names)))]](occluder, box, rng)
    cover = occluder.cover.filter(ImageFilter.BoxBlur(max(0.5, size / 400)))
    return np.asarray(occluder.colour, dtype=np.float32), np.asarray(cover, dtype=np.float32) / 255.0
