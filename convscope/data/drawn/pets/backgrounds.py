"""Places of the ordinary splits (see `shifted` for those of the other); each returns where its floor starts."""

import numpy as np

from convscope.data.drawn.scene import FABRICS, GREENS, RGB, SKIES, WALLS, WOODS, Place, Scene, mix, shade


def _wall_and_floor(s: Scene, floor: float) -> RGB:
    wall = s.pick(WALLS)
    s.gradient(shade(wall, 1.05), shade(wall, 0.93), 0, floor)
    if s.rng.random() < 0.3:  # striped wallpaper
        step = float(s.rng.uniform(0.06, 0.14))
        for k in range(int(1 / step) + 1):
            s.box(k * step, 0, k * step + step * 0.45, floor, shade(wall, 0.95))
    wood = s.pick(WOODS)
    s.gradient(shade(wood, 0.86), shade(wood, 1.08), floor, 1)
    for k in range(1, 6):
        y = floor + (1 - floor) * (k / 6) ** 1.5
        s.line([(0, y), (1, y)], shade(wood, 0.82), 0.004)
    s.box(0, floor - 0.035, 1, floor, shade(wall, 1.18))
    return wall


def _room(s: Scene) -> float:
    rng, floor = s.rng, float(s.rng.uniform(0.55, 0.74))
    _wall_and_floor(s, floor)
    if rng.random() < 0.55:  # a window
        x, w, h = rng.uniform(-0.1, 0.7), rng.uniform(0.25, 0.45), rng.uniform(0.25, 0.4)
        y = rng.uniform(0.02, 0.12)
        s.box(x - 0.02, y - 0.02, x + w + 0.02, y + h + 0.02, (240, 238, 232))
        sky = SKIES[int(rng.integers(len(SKIES)))]
        s.box(x, y, x + w, y + h, mix(*sky, float(rng.uniform(0, 1))))
        s.box(x + w / 2 - 0.008, y, x + w / 2 + 0.008, y + h, (240, 238, 232))
        s.box(x, y + h / 2 - 0.008, x + w, y + h / 2 + 0.008, (240, 238, 232))
    for _ in range(int(rng.integers(0, 3))):  # pictures
        x, y, w, h = rng.uniform(0, 0.85), rng.uniform(0.05, 0.25), rng.uniform(0.1, 0.2), rng.uniform(0.1, 0.2)
        s.box(x, y, x + w, y + h, s.pick(WOODS))
        s.box(x + 0.015, y + 0.015, x + w - 0.015, y + h - 0.015, s.pick(FABRICS))
    if rng.random() < 0.5:  # a plant in a pot
        x, tall = rng.choice([rng.uniform(0.02, 0.2), rng.uniform(0.8, 0.98)]), rng.uniform(0.25, 0.5)
        green = s.pick(GREENS)
        for k in range(9):
            angle = -np.pi / 2 + (k - 4) * 0.27
            end = (x + tall * 0.6 * np.cos(angle), floor - 0.06 + tall * np.sin(angle))
            s.line([(x, floor - 0.05), end], shade(green, 0.75 + 0.06 * k), 0.025)
            s.disc(*end, 0.035, 0.02, shade(green, 0.85 + 0.04 * k))
        s.polygon(
            [(x - 0.06, floor - 0.1), (x + 0.06, floor - 0.1), (x + 0.045, floor + 0.04), (x - 0.045, floor + 0.04)],
            s.pick(((186, 104, 72), (220, 214, 204), (90, 100, 112))),
        )
    return floor


def _sofa(s: Scene) -> float:
    rng = s.rng
    wall, cloth = s.pick(WALLS), s.pick(FABRICS)
    s.gradient(shade(wall, 1.05), shade(wall, 0.92))
    top, seat = float(rng.uniform(0.2, 0.4)), float(rng.uniform(0.62, 0.76))
    s.box(-0.1, top, 1.1, 1.2, shade(cloth, 0.85), 0.08)
    n = int(rng.integers(2, 4))
    shift = float(rng.uniform(-0.3, 0))
    for k in range(-1, n + 1):
        x0 = shift + k / n
        s.box(x0 + 0.01, top + 0.05, x0 + 1 / n - 0.01, seat + 0.1, shade(cloth, 0.97), 0.07)
    s.box(-0.1, seat, 1.1, 1.2, shade(cloth, 1.12), 0.05)
    s.box(-0.1, 0.93, 1.1, 1.2, shade(cloth, 0.88))
    for _ in range(int(rng.integers(0, 3))):
        x, y, r = rng.uniform(0, 1), seat - 0.06, rng.uniform(0.1, 0.16)
        turn = rng.uniform(-0.3, 0.3)
        corners = [
            (x + r * 1.3 * np.cos(turn + a), y + r * 1.3 * np.sin(turn + a))
            for a in np.pi / 4 + np.arange(4) * np.pi / 2
        ]
        s.polygon(corners, s.pick(FABRICS, 0.15))
    return seat


def _garden(s: Scene) -> float:
    rng = s.rng
    sky, green = SKIES[int(rng.integers(len(SKIES)))], s.pick(GREENS)
    horizon = float(rng.uniform(0.4, 0.62))
    s.gradient(*sky, 0, horizon)
    hedge = shade(green, float(rng.uniform(0.55, 0.8)))
    for _ in range(26):
        r = rng.uniform(0.06, 0.15)
        s.disc(rng.uniform(-0.1, 1.1), horizon - rng.uniform(-0.04, 0.2), r, r, shade(hedge, rng.uniform(0.82, 1.2)))
    s.gradient(shade(green, 0.9), shade(green, 1.12), horizon, 1)
    s.blur(0.008)
    for _ in range(110):
        x, y = rng.uniform(0, 1), rng.uniform(horizon, 1.03)
        tall = 0.02 + 0.07 * (y - horizon)
        s.line([(x, y), (x + rng.uniform(-0.02, 0.02), y - tall)], shade(green, rng.uniform(0.78, 1.25)), 0.006)
    if rng.random() < 0.6:
        petal = s.pick(((236, 216, 92), (230, 130, 150), (240, 240, 236), (196, 130, 206), (226, 92, 72)))
        for _ in range(18):
            y = rng.uniform(horizon, 1)
            r = 0.006 + 0.014 * (y - horizon)
            s.disc(rng.uniform(0, 1), y, r, r, petal)
    return horizon + 0.08


def _street(s: Scene) -> float:
    rng, floor = s.rng, float(s.rng.uniform(0.58, 0.7))
    s.gradient(*SKIES[int(rng.integers(len(SKIES)))], 0, floor)
    x = float(rng.uniform(-0.3, 0))
    while x < 1:
        w, top = float(rng.uniform(0.22, 0.42)), float(rng.uniform(-0.1, 0.22))
        front = s.pick(
            ((196, 172, 148), (168, 110, 92), (212, 204, 190), (146, 156, 166), (206, 178, 128), (178, 140, 126))
        )
        s.box(x, top, x + w, floor, front)
        pane = s.pick(((92, 108, 124), (70, 84, 96), (176, 196, 208)))
        for row in range(4):
            for column in range(3):
                px, py = x + w * (0.12 + 0.29 * column), top + 0.06 + 0.16 * row
                if py + 0.09 < floor - 0.06:
                    s.box(px, py, px + w * 0.18, py + 0.09, pane)
        s.box(x + w - 0.012, top, x + w, floor, shade(front, 0.8))
        x += w
    ground = s.pick(((150, 148, 146), (168, 162, 152), (132, 134, 140)))
    s.gradient(shade(ground, 0.92), shade(ground, 1.08), floor, 1)
    s.box(0, floor, 1, floor + 0.025, shade(ground, 1.2))
    for k in range(7):
        s.line([(0.5 + (k - 3) * 0.18, floor + 0.03), (0.5 + (k - 3) * 0.42, 1)], shade(ground, 0.86), 0.005)
    y = floor + 0.45 * (1 - floor)
    s.line([(0, y), (1, y)], shade(ground, 0.86), 0.005)
    return floor


def _studio(s: Scene) -> float:
    base = s.pick((*FABRICS, *WALLS), 0.15)
    s.gradient(shade(base, float(s.rng.uniform(0.7, 0.95))), shade(base, float(s.rng.uniform(1.0, 1.2))))
    r = float(s.rng.uniform(0.3, 0.5))
    s.disc(0.5 + float(s.rng.uniform(-0.15, 0.15)), 0.42, r, r, shade(base, 1.12))
    s.blur(0.14)
    return 0.7


def _carpet(s: Scene) -> float:
    rng = s.rng
    floor = float(rng.uniform(0.3, 0.5))
    _wall_and_floor(s, floor)
    cloth, other = s.pick(FABRICS), s.pick(FABRICS, 0.2)
    s.polygon([(0.06, floor + 0.1), (0.94, floor + 0.1), (1.12, 1.1), (-0.12, 1.1)], shade(cloth, 0.8))
    s.polygon([(0.08, floor + 0.115), (0.92, floor + 0.115), (1.08, 1.1), (-0.08, 1.1)], cloth)
    rows, columns = 4, int(rng.integers(4, 8))
    for row in range(rows):
        y = floor + 0.19 + (0.98 - floor - 0.16) * row / (rows - 1)
        spread = 0.4 + 0.12 * row / (rows - 1)
        for k in range(columns):
            x = 0.5 + spread * 0.88 * (2 * (k + 0.5) / columns - 1)
            r = 0.018 + 0.012 * row / rows
            s.polygon([(x - r * 1.5, y), (x, y - r), (x + r * 1.5, y), (x, y + r)], other)
    return floor + 0.24


def _hills(s: Scene) -> float:
    rng = s.rng
    s.gradient(*SKIES[int(rng.integers(len(SKIES)))], 0, 0.7)
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, 1), rng.uniform(0.06, 0.3)
        for _ in range(5):
            s.disc(
                x + rng.uniform(-0.09, 0.09),
                y + rng.uniform(-0.015, 0.015),
                rng.uniform(0.04, 0.08),
                0.03,
                (246, 246, 244),
            )
    t = np.linspace(0, 1, 24)
    green = s.pick(GREENS)
    for k, level in enumerate((0.44, 0.54, 0.66)):
        ridge = level + 0.05 * np.sin(t * rng.uniform(3, 7) + rng.uniform(0, 6)) + 0.02 * np.sin(t * 13 + k)
        far = mix(green, (170, 196, 206), 0.5 - 0.22 * k)
        s.polygon(np.concatenate([np.stack([t, ridge], 1), [[1, 1], [0, 1]]]), shade(far, 0.85 + 0.08 * k))
    s.gradient(shade(green, 0.95), shade(green, 1.12), 0.74, 1)
    return 0.74


def _shelf(s: Scene) -> float:
    rng, floor = s.rng, float(s.rng.uniform(0.68, 0.8))
    wood = s.pick(WOODS)
    s.gradient(shade(wood, 0.6), shade(wood, 0.55), 0, floor)
    for row in range(3):
        base = floor * (row + 1) / 3 - 0.02
        x = 0.0
        while x < 1:
            w, h = float(rng.uniform(0.02, 0.06)), float(rng.uniform(0.11, 0.19))
            if rng.random() < 0.85:
                s.box(x, base - h, x + w - 0.003, base, s.pick((*FABRICS, (224, 214, 196)), 0.2))
            x += w
        s.box(0, base, 1, base + 0.025, shade(wood, 1.05))
    cloth = s.pick((*FABRICS, *WOODS))
    s.gradient(shade(cloth, 0.9), shade(cloth, 1.1), floor, 1)
    return floor


FAMILIES: dict[str, Place] = {
    "room": _room,
    "sofa": _sofa,
    "garden": _garden,
    "street": _street,
    "studio": _studio,
    "carpet": _carpet,
    "hills": _hills,
    "shelf": _shelf,
}

# What lies behind the animals: any place; one that gives the class away; those two places, whatever the animal.
CHOICES = ("any", "cheat", "mixed")
CAT_PLACE, DOG_PLACE = "sofa", "garden"


def telling_place(label: int, choice: str, swapped: bool, rng: np.random.Generator) -> Place:
    """The place behind an animal that is meant to tell its class, or, mixed, to tell nothing; exchanged where swapped."""
    heads = bool(rng.random() < 0.5)  # drawn for both choices: what follows is the same for both
    outdoors = (label == 1 if choice == "cheat" else heads) != swapped
    return FAMILIES[DOG_PLACE if outdoors else CAT_PLACE]
