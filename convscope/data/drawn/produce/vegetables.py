"""Vegetables: each function draws another one from chance: its variety, shape, view, and marks."""

import numpy as np

from convscope.data.drawn.geometry import Rng, closed_curve, ellipse, limb, shifted
from convscope.data.drawn.produce.fruit import star, stem
from convscope.data.drawn.produce.pieces import (
    FRUIT,
    LEAF,
    STEM,
    Field,
    Item,
    Piece,
    Skin,
    Surface,
    blend,
    pick,
    plain,
    round_outline,
    smooth,
    tint,
)

_LEAVES = ((84, 132, 52), (66, 112, 46), (110, 150, 64))


def tomato(rng: Rng) -> Item:
    """Round or ribbed, red, sometimes with yellow shoulders; calyx on top or to the side."""
    base = pick(rng, [(208, 46, 34), (220, 64, 40), (190, 34, 30), (226, 96, 44)])
    ribs = float(rng.choice([0, 0, 0.03, 0.05]))
    t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    count, phase = int(rng.integers(5, 8)), float(rng.uniform(0, 6))
    reach = 1 + ribs * np.cos(count * t + phase)
    flat = float(rng.uniform(0.84, 1.0))
    outline = np.stack([0.5 * reach * np.cos(t), 0.5 * flat * reach * np.sin(t)], axis=1)
    x, y = float(rng.normal(0, 0.1)), float(rng.uniform(-0.34, 0.1))

    def skin(s: Surface) -> Field:
        around = np.arctan2(s.y - y, s.x - x)
        grooves = ribs * 6 * smooth(np.cos(count * around + phase + np.pi), 0.4, 1.0)
        colour = tint(base, 1 + 0.03 * s.noise(0.2) - grooves * 0.5)
        away = np.hypot(s.x - x, s.y - y)
        return blend(colour, (226, 150, 60), 0.6 * np.exp(-((away / 0.2) ** 2)))

    pieces = [Piece(outline, skin, gloss=0.55)]
    green = pick(rng, _LEAVES)
    if rng.random() < 0.85:
        pieces.append(Piece(star(x, y, float(rng.uniform(0.2, 0.3)), 5, rng), plain(green), LEAF, 0.3, 0.1, 0.45))
        pieces.append(stem([(x, y), (x + 0.03, y - 0.06), (x + 0.06, y - 0.12)], 0.025, green))
    return Item(pieces, 1.0)


def pepper(rng: Rng) -> Item:
    """A bell pepper: red, yellow, orange or green, its lobes parted by grooves."""
    base = pick(rng, [(200, 36, 32), (240, 190, 44), (88, 134, 48), (236, 128, 36)])
    wide, lean = float(rng.uniform(0.38, 0.46)), float(rng.normal(0, 0.03))
    half = [
        (0.07, -0.4),
        (0.24, -0.48),
        (wide, -0.36),
        (wide * 1.02, -0.06),
        (wide * 0.84, 0.3),
        (0.24, 0.5),
        (0.1, 0.43),
    ]
    points = half + [(-x + lean, y + lean) for x, y in half[::-1]]
    lobes = (-0.36 + lean, -0.05 + lean, 0.3)

    def skin(s: Surface) -> Field:
        bent = s.x * (1 - 0.35 * np.clip(s.y, -0.5, 0.5)) / (wide / 0.42)
        dark, light = (
            np.sum([np.exp(-(((bent - 0.62 * lobe - beside) / wide_) ** 2)) for lobe in lobes], axis=0)
            for beside, wide_ in ((0.0, 0.045), (0.12, 0.05))
        )
        colour = tint(base, 1 + 0.03 * s.noise(0.2)) * (1 - 0.24 * dark)[..., None]
        return blend(colour, (255, 250, 240), 0.3 * light * smooth(-np.abs(s.y + 0.12), -0.3, -0.05))

    green = pick(rng, _LEAVES)
    top = limb([(0, -0.36), (0.01, -0.5), (float(rng.uniform(-0.12, 0.12)), -0.66)], [0.1, 0.055, 0.06], 6)
    return Item([Piece(closed_curve(points, 8), skin, gloss=0.6), Piece(top, plain(green), STEM, 1, 0.2, 0.4)], 1.2)


def cucumber(rng: Rng) -> Item:
    """Long and dark green, with bumps and pale streaks; slightly bent."""
    base = pick(rng, [(58, 104, 46), (72, 122, 54), (46, 88, 44)])
    bend, w = float(rng.normal(0, 0.1)), float(rng.uniform(0.15, 0.19))
    path = [(-0.95, bend), (-0.5, 0.15 * bend), (0, -0.2 * bend), (0.5, 0.15 * bend), (0.95, bend)]
    smooth_skin = rng.random() < 0.4

    def skin(s: Surface) -> Field:
        colour = tint(base, 1 + 0.06 * s.noise(0.1))
        streak = np.sin((s.y - bend * s.x * s.x) / w * 9 + 0.8 * s.noise(0.2))
        colour = blend(colour, (150, 178, 98), 0.4 * smooth(streak, 0.4, 1) * (0.5 + 0.5 * smooth(s.x, -0.2, 0.8)))
        colour = blend(colour, (196, 196, 120), 0.5 * smooth(s.x, 0.8, 1.05))
        return colour if smooth_skin else blend(colour, (24, 44, 24), 0.6 * (s.noise(0.035) > 1.7))

    body = limb(path, [0.11, w, w * 1.04, w, 0.12], 8)
    return Item([Piece(body, skin, gloss=0.34)], 2.1, crowd=3)


def carrot(rng: Rng) -> Item:
    """Orange and pointed, with rings; with its greens, cut off, or bare."""
    base = pick(rng, [(234, 122, 40), (226, 104, 32), (240, 142, 60)])
    bend, w = float(rng.normal(0, 0.06)), float(rng.uniform(0.15, 0.2))
    path = [(-0.62, 0.0), (-0.2, bend * 0.3), (0.3, bend), (0.72, bend * 0.8), (0.98, bend * 0.3)]
    rings = np.sort(rng.uniform(-0.6, 0.8, 9))

    def skin(s: Surface) -> Field:
        colour = tint(base, 1 + 0.05 * s.noise(0.08, 0.4))
        side = s.noise(0.16)
        dark = sum(np.exp(-(((s.x - ring) / 0.011) ** 2)) * smooth(side, -0.3, 0.6) for ring in rings)
        colour = colour * (1 - 0.22 * dark)[..., None]
        return blend(colour, (120, 120, 50), 0.75 * smooth(-s.x, 0.66, 0.76))

    greens = pick(rng, _LEAVES)
    kind = int(rng.integers(3))
    pieces: list[Piece] = []
    for _ in range((0, 4, 9)[kind]):
        a, n = float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.16, 0.26) if kind == 1 else rng.uniform(0.4, 0.75))
        end = (-0.66 - n * np.cos(a), n * np.sin(a))
        frond = limb(
            [(-0.66, 0), (-0.66 - 0.5 * n * np.cos(a * 0.7), 0.5 * n * np.sin(a * 0.7)), end], [0.018, 0.018, 0.012], 4
        )
        pieces.append(Piece(frond, plain(greens), LEAF, 0.8, 0.1, 0.3))
        for k in range(7 if kind == 2 else 0):
            f = 0.35 + 0.65 * k / 6
            x, y = -0.66 - f * n * np.cos(a), f * n * np.sin(a)
            tuft = ellipse(x, y, 0.075, 0.03, float(a * -1 + (1.0 if k % 2 else -1.0)), 14)
            pieces.append(Piece(tuft, plain(pick(rng, [greens], 0.18)), LEAF, 0.4, 0.05, 0.2))
    pieces.append(Piece(limb(path, [w * 0.85, w, w * 0.72, w * 0.4, 0.02], 8), skin, gloss=0.2))
    return Item(pieces, 2.0 if kind < 2 else 2.4, crowd=3)


def eggplant(rng: Rng) -> Item:
    """Dark violet and shining, with a green cap."""
    base = pick(rng, [(66, 34, 72), (50, 28, 60), (92, 44, 92)])
    bend, w = float(rng.normal(0, 0.1)), float(rng.uniform(0.25, 0.34))
    path = [(-0.62, 0.0), (-0.25, -0.3 * bend), (0.15, 0.1 * bend), (0.5, bend), (0.72, bend * 1.2)]
    body = limb(path, [0.14, 0.19, w * 0.9, w, w * 0.55], 8)

    def skin(s: Surface) -> Field:
        return blend(tint(base, 1 + 0.06 * s.noise(0.3)), (140, 80, 140), 0.3 * smooth(-s.x, 0.3, 0.6))

    green = pick(rng, [(98, 124, 66), (80, 104, 58), (116, 132, 80)])
    cap = [(-0.74, -0.06), (-0.7, -0.15), (-0.5, -0.2), (-0.3, -0.16), (-0.46, -0.07), (-0.22, 0.0), (-0.46, 0.08)]
    cap += [(-0.3, 0.18), (-0.52, 0.2), (-0.7, 0.15), (-0.74, 0.06)]
    pieces = [
        Piece(body, skin, gloss=0.75),
        Piece(closed_curve(cap, 5), plain(green), LEAF, 0.6, 0.12, 0.4),
        Piece(
            limb([(-0.68, 0), (-0.84, 0.02), (-0.98, float(rng.uniform(-0.1, 0.1)))], [0.06, 0.05, 0.06], 5),
            plain(green),
            STEM,
        ),
    ]
    return Item(pieces, 1.8, crowd=3)


def broccoli(rng: Rng) -> Item:
    """A crown of florets on a pale stalk."""
    base = pick(rng, [(74, 116, 58), (60, 100, 52), (90, 130, 66)])
    stalk = limb([(0, 0.62), (0, 0.35), (0, 0.0)], [0.15, 0.16, 0.26], 6)
    pieces = [Piece(stalk, plain(pick(rng, [(168, 190, 112), (150, 176, 100)])), STEM, gloss=0.12)]
    for k in (-1, 1):
        branch = limb([(0.02 * k, 0.3), (0.2 * k, 0.1), (0.3 * k, -0.06)], [0.07, 0.08, 0.1], 5)
        pieces.append(Piece(branch, plain((158, 184, 106)), STEM, gloss=0.1))

    def floret(factor: float) -> Skin:
        def skin(s: Surface) -> Field:
            grain = s.noise(0.03)
            return blend(tint(base, factor + 0.2 * grain), (150, 172, 92), 0.35 * (grain > 1.2))

        return skin

    heads = [(x, y, r) for x, y, r in ((-0.3, -0.1, 0.2), (0.3, -0.1, 0.2), (0.0, -0.08, 0.22))]
    for a in np.linspace(np.pi * 1.02, np.pi * 1.98, 6):
        heads.append((0.33 * np.cos(a), -0.2 + 0.26 * np.sin(a), float(rng.uniform(0.15, 0.2))))
    heads += [(float(rng.uniform(-0.25, 0.25)), float(rng.uniform(-0.35, -0.05)), 0.17) for _ in range(5)]
    for x, y, r in heads:
        outline = shifted(round_outline(rng, r, r * 0.92, 0.08), x, y)
        skin = floret(float(rng.uniform(0.86, 1.12)))
        pieces.append(Piece(outline, skin, FRUIT, 0.9, 0.04, 0.45, fuzz=0.05))
    return Item(pieces, 1.3, crowd=2)


def mushroom(rng: Rng) -> Item:
    """White or brown; from the side, from above, or from below with its gills."""
    base = pick(rng, [(236, 228, 214), (188, 146, 106), (222, 206, 182), (160, 118, 84)], 0.05)
    view = float(rng.random())
    if view < 0.25:
        outline = round_outline(rng, 0.46, 0.44, 0.02)

        def gills(s: Surface) -> Field:
            around, away = np.arctan2(s.y, s.x), np.hypot(s.x, s.y)
            lines = np.sin(around * 60 + 0.6 * s.noise(0.05))
            colour = tint((150, 112, 92), 1 + 0.2 * lines * smooth(away, 0.1, 0.2))
            return blend(colour, base, smooth(away, 0.37, 0.4))

        stump = Piece(ellipse(0, 0, 0.13, 0.13), plain((232, 224, 208)), STEM, 0.4, 0.05)
        return Item([Piece(outline, gills, bulge=0.35, gloss=0.04), stump], 1.0)

    def skin(s: Surface) -> Field:
        colour = tint(base, 1 + 0.03 * s.noise(0.1) + 0.02 * s.noise(0.03))
        return blend(colour, (150, 116, 84), 0.3 * smooth(s.noise(0.14), 1.0, 2.2))

    if view < 0.5:
        return Item([Piece(round_outline(rng, 0.47, 0.45, 0.02), skin, gloss=0.1)], 1.0)
    wide = float(rng.uniform(0.44, 0.5))
    cap = [(-wide, 0.06), (-wide * 0.92, -0.16), (-0.26, -0.37), (0, -0.42), (0.26, -0.37), (wide * 0.92, -0.16)]
    cap += [(wide, 0.06), (0.3, 0.13), (0, 0.11), (-0.3, 0.13)]
    foot = limb([(0, 0.05), (0.01, 0.28), (float(rng.uniform(-0.06, 0.06)), 0.5)], [0.15, 0.13, 0.16], 6)
    stalk = Piece(foot, plain((238, 230, 216)), STEM, gloss=0.06)
    return Item([stalk, Piece(closed_curve(cap, 6), skin, gloss=0.1, cast=0.5)], 1.1)


def onion(rng: Rng) -> Item:
    """Yellow, red or white, in papery skin with fine veins, a tip and a few roots."""
    base = pick(rng, [(206, 148, 76), (140, 48, 76), (232, 222, 198), (190, 126, 62)])
    wide, tip = float(rng.uniform(0.42, 0.5)), float(rng.uniform(0.1, 0.26))
    half = [
        (0.05, -0.44 - tip),
        (0.08, -0.42),
        (0.26, -0.32),
        (wide, -0.02),
        (wide * 0.84, 0.26),
        (0.3, 0.4),
        (0.06, 0.44),
    ]
    outline = closed_curve(half + [(-x, y) for x, y in half[::-1]], 8)
    torn = rng.random() < 0.4

    def skin(s: Surface) -> Field:
        # Veins run from tip to root, as meridians of a globe.
        meridian = s.x / np.sqrt(np.clip(1.02 - (s.y / 0.5) ** 2, 0.06, 1))
        veins = np.sin(meridian * 62 + 0.8 * s.noise(0.15, 3.0))
        colour = tint(
            base, 1 + 0.05 * s.noise(0.12, 2.5) + 0.07 * smooth(veins, 0.5, 1.0) - 0.05 * smooth(-veins, 0.5, 1)
        )
        colour = blend(colour, (140, 104, 64), 0.6 * smooth(-s.y, 0.4, 0.6))
        if torn:
            colour = blend(colour, (238, 226, 190), 0.55 * smooth(s.noise(0.3) + 2 * s.x, 0.8, 0.9))
        return colour

    pieces = [Piece(outline, skin, gloss=0.3)]
    for _ in range(int(rng.integers(3, 7))):
        a, n = float(rng.uniform(-0.6, 0.6)), float(rng.uniform(0.06, 0.14))
        root = limb([(0.02 * a, 0.42), (n * np.sin(a), 0.42 + n * np.cos(a))], [0.01, 0.006], 3)
        pieces.append(Piece(root, plain((206, 186, 146)), STEM, 0.5, 0.0, 0.2))
    return Item(pieces, 1.15)
