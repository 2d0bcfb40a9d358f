"""Where produce lies: on clean paper in the ordinary splits, in a shop in the split `store`."""

import numpy as np
from PIL import Image

from convscope.data.drawn.geometry import Rng
from convscope.data.drawn.scene import RGB, WOODS, Place, Scene, shade

_CLOTHS: tuple[RGB, ...] = ((60, 120, 66), (38, 84, 56), (44, 44, 48), (120, 44, 40))
_CRATES: tuple[RGB, ...] = ((60, 122, 74), (34, 36, 40), (52, 92, 150), (196, 150, 96))
_PILES: tuple[RGB, ...] = (
    (206, 48, 40),
    (236, 140, 40),
    (236, 204, 70),
    (96, 140, 58),
    (70, 40, 76),
    (150, 110, 70),
    (170, 190, 90),
)


def clean(size: int, rng: Rng) -> Image.Image:
    """White paper, evenly lit, a touch warm or cool."""
    scene = Scene(size, rng)
    level, warm = float(rng.uniform(236, 252)), float(rng.uniform(-4, 4))
    tone = (int(min(255, level + warm)), int(level), int(min(255, level - warm)))
    top, bottom = (shade(tone, float(rng.uniform(0.97, 1.0))) for _ in range(2))
    scene.gradient(top, bottom)
    return scene.image


def _slats(s: Scene) -> float:
    wood = s.pick(WOODS)
    s.gradient(shade(wood, 0.35), shade(wood, 0.3))
    across, step = s.rng.random() < 0.5, float(s.rng.uniform(0.17, 0.3))
    for k in range(int(1 / step) + 2):
        a = k * step - float(s.rng.uniform(0.02, 0.05))
        tone = shade(wood, float(s.rng.uniform(0.8, 1.1)))
        box = (0.0, a, 1.0, a + step * 0.86) if across else (a, 0.0, a + step * 0.86, 1.0)
        s.box(*box, tone)
        for _ in range(5):
            t = a + step * float(s.rng.uniform(0.05, 0.8))
            grain = [(0, t), (1, t + 0.01)] if across else [(t, 0), (t + 0.01, 1)]
            s.line(grain, shade(tone, 0.88), 0.006)
    return 0.0


def _cloth(s: Scene) -> float:
    cloth = s.pick(_CLOTHS)
    s.gradient(shade(cloth, 1.1), shade(cloth, 0.8))
    for _ in range(160):  # the plastic grass of a counter
        x, y = s.rng.uniform(0, 1, 2)
        lean = s.rng.uniform(-0.03, 0.03)
        s.line([(x, y), (x + lean, y - 0.05)], shade(cloth, float(s.rng.uniform(0.6, 1.45))), 0.01)
    return 0.0


def _crate(s: Scene) -> float:
    plastic = s.pick(_CRATES)
    s.gradient(shade(plastic, 0.5), shade(plastic, 0.4))
    step = float(s.rng.uniform(0.1, 0.16))
    for k in range(int(1 / step) + 2):
        s.box(k * step, 0, k * step + step * 0.35, 1, plastic)
        s.box(0, k * step, 1, k * step + step * 0.35, shade(plastic, 1.12))
    return 0.0


def _pile(s: Scene) -> float:
    """A heap of something else, out of focus."""
    base = s.pick(_PILES)
    s.gradient(shade(base, 0.35), shade(base, 0.25))
    r = float(s.rng.uniform(0.09, 0.16))
    for row in range(int(1 / r) + 2):
        for column in range(int(1 / r) + 2):
            x, y = (column + 0.5 * (row % 2)) * r * 1.6 + s.rng.normal(0, 0.02), row * r * 1.2 + s.rng.normal(0, 0.02)
            tone = shade(base, float(s.rng.uniform(0.65, 1.05)))
            s.disc(x, y, r, r, shade(tone, 0.72))
            s.disc(x - 0.1 * r, y - 0.12 * r, r * 0.82, r * 0.82, tone)
            s.disc(x - 0.3 * r, y - 0.35 * r, r * 0.2, r * 0.16, shade(tone, 1.5))
    return 0.0


def _shelf(s: Scene) -> float:
    """Shelves with price tags and goods behind."""
    metal = s.pick(((190, 192, 196), (120, 124, 130), (224, 222, 216)))
    s.gradient(shade(metal, 0.5), shade(metal, 0.65))
    level = float(s.rng.uniform(0.3, 0.5))
    x = -0.05
    while x < 1:
        w, h = float(s.rng.uniform(0.1, 0.24)), float(s.rng.uniform(0.14, 0.3))
        s.box(x, level - h, x + w, level, s.pick(_PILES, 0.25), 0.02)
        x += w + 0.01
    s.gradient(shade(metal, 0.85), metal, level, 1)
    s.box(0, level, 1, level + 0.05, shade(metal, 1.1))
    for k in range(3):
        a = 0.35 * k + float(s.rng.uniform(0, 0.2))
        s.box(a, level + 0.005, a + 0.14, level + 0.075, s.pick(((250, 240, 120), (246, 246, 244), (236, 90, 70))))
    return level


def _steel(s: Scene) -> float:
    """The tray of a scale."""
    level = float(s.rng.uniform(110, 190))
    s.gradient((int(level * 1.2), int(level * 1.22), int(level * 1.26)), (int(level * 0.8),) * 3)
    for _ in range(60):
        y = float(s.rng.uniform(0, 1))
        s.line([(0, y), (1, y)], shade((int(level),) * 3, float(s.rng.uniform(0.85, 1.25))), 0.004)
    return 0.0


STORE: dict[str, Place] = {
    "slats": _slats,
    "cloth": _cloth,
    "crate": _crate,
    "pile": _pile,
    "shelf": _shelf,
    "steel": _steel,
}


def store(size: int, rng: Rng) -> Image.Image:
    """A place in a shop, a little out of focus."""
    scene = Scene(size, rng)
    list(STORE.values())[int(rng.integers(len(STORE)))](scene)
    scene.blur(float(rng.uniform(0.002, 0.014)))
    return scene.image


def lamp(rng: Rng) -> np.ndarray:
    """Colour of a shop's light as factors of R, G, B: cold tubes, warm lamps, butcher's pink, dim evenings."""
    casts = ((0.86, 1.0, 1.1), (1.16, 0.96, 0.66), (1.12, 0.86, 0.92), (0.9, 1.06, 0.84), (0.62, 0.62, 0.72))
    return np.asarray(casts[int(rng.integers(len(casts)))]) * float(rng.uniform(0.72, 1.08))
