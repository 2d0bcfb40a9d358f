"""Fruit: each function draws another one from chance: its variety, shape, view, and marks."""

import numpy as np

from convscope.data.drawn.geometry import Array, Rng, closed_curve, ellipse, limb, shifted, turn
from convscope.data.drawn.produce.pieces import (
    LEAF,
    STEM,
    Field,
    Item,
    Piece,
    Surface,
    blend,
    dimpled,
    pick,
    plain,
    round_outline,
    smooth,
    tint,
)

_BROWN = (96, 66, 40)
_GREENS = ((92, 140, 58), (70, 118, 48), (124, 158, 70))


def leaf(x: float, y: float, length: float, angle: float, rng: Rng, colour: tuple[float, float, float]) -> Piece:
    """A pointed leaf with a midrib, growing from (x, y)."""
    blade = [(0, 0), (0.3, -0.2), (0.62, -0.16), (1, 0), (0.62, 0.17), (0.3, 0.2)]
    outline = shifted(turn(closed_curve(np.array(blade) * length, 6), angle), x, y)

    def skin(s: Surface) -> Field:
        across = (s.y - y) * np.cos(angle) - (s.x - x) * np.sin(angle)
        rib = np.exp(-((across / (0.035 * length)) ** 2))
        return blend(tint(colour, 1 + 0.1 * s.noise(0.05)), (190, 206, 140), 0.55 * rib)

    return Piece(outline, skin, LEAF, bulge=0.35, gloss=0.18, cast=0.4)


def stem(points: object, width: float, colour: tuple[float, float, float] = _BROWN) -> Piece:
    """A stalk."""
    path = np.asarray(points, dtype=float)
    return Piece(limb(path, np.linspace(width, width * 1.35, len(path)), 5), plain(colour), STEM, gloss=0.08, cast=0.45)


def star(x: float, y: float, size: float, points: int, rng: Rng) -> Array:
    """A calyx of narrow pointed leaves."""
    t = np.arange(points * 2) * np.pi / points + rng.uniform(0, 1)
    reach = size * np.where(np.arange(points * 2) % 2, 0.26, rng.uniform(0.75, 1.2, points * 2))
    return closed_curve(np.stack([x + reach * np.cos(t), y + reach * np.sin(t)], axis=1), 4)


def apple(rng: Rng) -> Item:
    """Red, green, yellow or striped; from the side or from above."""
    base, blush, amount = [
        ((196, 44, 40), (228, 170, 70), 0.35),
        ((150, 190, 66), (196, 206, 96), 0.5),
        ((226, 196, 84), (206, 70, 48), 0.6),
        ((150, 28, 36), (190, 60, 48), 0.4),
        ((214, 96, 66), (226, 190, 90), 0.7),
    ][int(rng.integers(5))]
    skin_colour, second = pick(rng, [base]), pick(rng, [blush])
    above = rng.random() < 0.3
    outline = round_outline(rng, 0.5, float(rng.uniform(0.44, 0.5)), 0.02)
    top = 0.0 if above else -0.43
    if not above:
        outline = dimpled(dimpled(outline, -np.pi / 2, 0.13, 0.45), np.pi / 2, 0.07, 0.4)
    side, streaked = float(rng.uniform(0, 2 * np.pi)), rng.random() < 0.6

    def skin(s: Surface) -> Field:
        colour = tint(skin_colour, 1 + 0.04 * s.noise(0.2))
        where = (s.x * np.cos(side) + s.y * np.sin(side)) * 2 + 0.5 * s.noise(0.25)
        share = amount * smooth(where, -0.4, 0.9)
        if streaked:
            around = np.arctan2(s.x, s.y - top)
            share = share + 0.4 * amount * np.sin(around * 23 + 2 * s.noise(0.3)) * smooth(where, -0.8, 0.4)
        colour = blend(colour, second, share)
        colour = blend(colour, (240, 226, 180), 0.5 * (s.noise(0.025) > 2.1))
        hollow = np.exp(-(((s.x / 0.16) ** 2) + ((s.y - top) / (0.16 if above else 0.1)) ** 2))
        return blend(colour * (1 - 0.5 * hollow)[..., None], (110, 120, 50), 0.5 * hollow)

    pieces = [Piece(outline, skin, gloss=0.42)]
    if rng.random() < 0.85:
        lean = float(rng.uniform(-0.12, 0.12))
        pieces.append(stem([(0, top + 0.05), (lean * 0.4, top - 0.08), (lean, top - 0.2)], 0.02))
        if rng.random() < 0.3:
            pieces.append(leaf(0.02, top - 0.06, 0.36, float(rng.uniform(-0.7, 0.2)), rng, pick(rng, _GREENS)))
    return Item(pieces, 1.1)


def pear(rng: Rng) -> Item:
    """Green, yellow or russet."""
    base = pick(rng, [(176, 190, 74), (214, 198, 90), (164, 126, 66), (146, 168, 66)])
    neck, belly = float(rng.uniform(0.17, 0.23)), float(rng.uniform(0.38, 0.44))
    bend = float(rng.normal(0, 0.04))
    half = [(0.5 * neck, -0.66), (neck, -0.52), (neck * 1.15, -0.3), (belly * 0.84, 0.0), (belly, 0.26), (0.3, 0.52)]
    points = [(x + bend * (0.5 - y), y) for x, y in half] + [(0.0, 0.57)]
    points += [(-x + bend * (0.5 - y), y) for x, y in half[::-1]]
    blush = rng.random() < 0.4

    def skin(s: Surface) -> Field:
        colour = tint(base, 1 + 0.05 * s.noise(0.2))
        colour = blend(colour, (126, 96, 52), 0.55 * (s.noise(0.022) > 1.5))
        colour = blend(colour, (140, 108, 60), 0.6 * smooth(-s.y + 0.1 * s.noise(0.1), 0.45, 0.7))
        return blend(colour, (206, 92, 58), 0.7 * smooth(s.x + 0.1 * s.noise(0.2), 0.05, 0.4)) if blush else colour

    lean = float(rng.uniform(-0.1, 0.1))
    pieces = [Piece(closed_curve(points, 8), skin, gloss=0.28)]
    pieces.append(stem([(bend, -0.62), (bend + lean * 0.4, -0.75), (bend + lean, -0.9)], 0.022))
    return Item(pieces, 1.35)


def orange(rng: Rng) -> Item:
    """Whole, sometimes with a leaf, sometimes cut through."""
    base = pick(rng, [(240, 140, 32), (246, 158, 44), (232, 120, 28)], 0.05)
    outline = round_outline(rng, 0.48, 0.47, 0.012)
    if rng.random() < 0.22:
        return Item(_citrus_half(outline, base, (250, 176, 70), rng), 1.0)
    x, y = rng.uniform(-0.22, 0.22, 2)

    def skin(s: Surface) -> Field:
        colour = tint(base, 1.02 + 0.03 * s.noise(0.025) + 0.04 * s.noise(0.2))
        scar = np.exp(-(((s.x - x) ** 2 + (s.y - y) ** 2) / 0.0026))
        return blend(colour, (116, 130, 60), 0.9 * scar)

    pieces = [Piece(outline, skin, gloss=0.32)]
    if rng.random() < 0.2:
        pieces.append(leaf(float(x), float(y), 0.4, float(rng.uniform(0, 6.28)), rng, pick(rng, _GREENS)))
    return Item(pieces, 1.0)


def _citrus_half(
    outline: Array, peel: tuple[float, float, float], flesh: tuple[float, float, float], rng: Rng
) -> list[Piece]:
    segments, phase = int(rng.integers(9, 12)), float(rng.uniform(0, 6))

    def skin(s: Surface) -> Field:
        radius, around = np.hypot(s.x, s.y), np.arctan2(s.y, s.x)
        rays = np.abs(np.sin(segments * around / 2 + phase)) * radius
        colour = tint(flesh, 1 + 0.1 * s.noise(0.035, 2.0))
        white = np.maximum(1 - smooth(rays, 0.008, 0.03), smooth(radius, 0.395, 0.415))
        return blend(colour, (252, 240, 210), np.maximum(white, 1 - smooth(radius, 0.03, 0.06)))

    return [Piece(outline, plain(peel), gloss=0.2), Piece(outline * 0.96, skin, bulge=0.12, gloss=0.3, cast=0.0)]


def lemon(rng: Rng) -> Item:
    """Whole with its nipple, sometimes cut."""
    base = pick(rng, [(244, 214, 58), (250, 224, 84), (222, 206, 60)], 0.05)
    if rng.random() < 0.2:
        return Item(_citrus_half(round_outline(rng, 0.45, 0.44, 0.012), base, (250, 232, 130), rng), 0.95)
    tall = float(rng.uniform(0.34, 0.4))
    half = [(-0.62, 0.03), (-0.54, 0.1), (-0.4, tall * 0.78), (0, tall), (0.4, tall * 0.76), (0.52, 0.11), (0.6, 0.05)]
    points = half + [(x, -y) for x, y in half[::-1]]
    green = rng.random() < 0.3

    def skin(s: Surface) -> Field:
        colour = tint(base, 1.04 + 0.025 * s.noise(0.028) + 0.03 * s.noise(0.2))
        if green:
            colour = blend(colour, (150, 176, 60), 0.6 * smooth(s.x + 0.1 * s.noise(0.2), 0.3, 0.6))
        return blend(colour, (146, 130, 60), 0.7 * smooth(-s.x, 0.57, 0.62))

    return Item([Piece(closed_curve(points, 8), skin, gloss=0.34)], 1.2)


def kiwi(rng: Rng) -> Item:
    """Brown and hairy, or a green slice."""
    base = pick(rng, [(134, 104, 62), (118, 92, 52), (150, 116, 72)])
    outline = round_outline(rng, 0.52, float(rng.uniform(0.4, 0.45)), 0.015)
    if rng.random() < 0.4:
        flesh = pick(rng, [(140, 182, 60), (158, 196, 72), (120, 166, 50)])

        def slice_(s: Surface) -> Field:
            radius, around = np.hypot(s.x / 0.5, s.y / 0.42), np.arctan2(s.y, s.x)
            colour = tint(flesh, 1 + 0.12 * np.sin(around * 26 + s.noise(0.1)) * smooth(radius, 0.25, 0.6))
            colour = blend(colour, (236, 236, 190), 1 - smooth(radius, 0.22, 0.36))
            ring = np.exp(-(((radius - 0.47) / 0.09) ** 2))
            return blend(
                colour, (34, 30, 24), 1.4 * ring * smooth(np.sin(around * 17) + 0.35 * s.noise(0.03), 0.3, 0.75)
            )

        pieces = [
            Piece(outline, plain(base), gloss=0.05),
            Piece(outline * 0.93, slice_, bulge=0.12, gloss=0.3, cast=0.0),
        ]
        return Item(pieces, 1.0)

    def skin(s: Surface) -> Field:
        colour = tint(base, 1 + 0.09 * s.noise(0.02) + 0.07 * s.noise(0.018, 3.0) + 0.06 * s.noise(0.2))
        return blend(colour, (70, 56, 36), 0.8 * smooth(s.x, 0.44, 0.5))

    return Item([Piece(outline, skin, gloss=0.05, fuzz=0.02)], 1.05)


def banana(rng: Rng) -> Item:
    """One, or a hand of them; greenish, yellow, or spotted with age."""
    age = float(rng.uniform(0, 1))
    base = np.array([196, 200, 78]) * (1 - min(1, 3 * age)) + np.array([244, 212, 72]) * min(1, 3 * age)
    count = int(rng.choice([1, 1, 2, 3]))
    bend = float(rng.uniform(0.75, 1.15))
    pieces: list[Piece] = []
    for k in range(count):
        arc = bend + 0.12 * k
        t = np.linspace(-0.5, 0.5, 9) * 2.0
        radius = 1.0 / arc
        path = np.stack(
            [radius * np.sin(t * arc * 0.8), 0.22 * k - 0.1 * count + radius * (1 - np.cos(t * arc * 0.8))], 1
        )
        path[:, 1] = path[:, 1] - 0.28 if count == 1 else path[:, 1] - 0.2
        if count > 1:  # they meet at the stalk
            path[:, 1] += (0.1 * count - 0.22 * k - 0.1) * np.clip(t, 0, 1) ** 2
        widths = np.array([0.035, 0.1, 0.145, 0.16, 0.165, 0.16, 0.14, 0.085, 0.045]) * float(rng.uniform(0.95, 1.05))
        pieces.append(_banana_piece(path, widths, tuple(base), age))
    return Item(pieces, 1.9, crowd=2)


def _banana_piece(path: Array, widths: Array, base: tuple[float, ...], age: float) -> Piece:
    def skin(s: Surface) -> Field:
        colour = tint(base, 1 + 0.03 * s.noise(0.15))
        middle = np.interp(s.x, path[:, 0], path[:, 1]).astype(np.float32)
        across = s.y - middle
        ridge = np.exp(-(((across + 0.02) / 0.012) ** 2)) + np.exp(-(((across - 0.085) / 0.012) ** 2))
        colour = colour * (1 - 0.13 * ridge)[..., None]
        ends = smooth(np.abs(s.x), float(np.abs(path[:, 0]).max()) - 0.1, float(np.abs(path[:, 0]).max()))
        colour = blend(colour, (92, 76, 40), 0.9 * ends)
        return blend(colour, (94, 62, 30), (0.85 * (s.noise(0.03) > 2.6 - 1.5 * age)) if age > 0.35 else 0 * across)

    return Piece(limb(path, widths, 6), skin, gloss=0.16, cast=0.4)


def strawberry(rng: Rng) -> Item:
    """A red heart with seeds, under a green calyx."""
    base = pick(rng, [(212, 40, 44), (190, 28, 38), (226, 66, 58)])
    wide = float(rng.uniform(0.34, 0.44))
    half = [(0.16, -0.42), (wide * 0.9, -0.33), (wide, -0.08), (wide * 0.68, 0.26), (0.12, 0.5)]
    outline = closed_curve(half + [(-x, y) for x, y in half[::-1]], 8)

    def skin(s: Surface) -> Field:
        step = 0.105
        row = np.round(s.y / step)
        dx = s.x / step - 0.5 * (row % 2)
        near = np.hypot((dx - np.round(dx)) * 1.5, s.y / step - row)
        colour = tint(base, 1 + 0.05 * s.noise(0.2))
        colour = blend(colour, (244, 196, 150), 0.6 * smooth(-s.y + 0.06 * s.noise(0.1), 0.3, 0.46))
        colour = colour * (1 - 0.3 * np.exp(-((near / 0.42) ** 2)))[..., None]
        return blend(colour, (240, 206, 110), 1 - smooth(near, 0.16, 0.26))

    green = pick(rng, _GREENS)
    leaves = [
        leaf(0, -0.42, float(rng.uniform(0.24, 0.34)), float(a + rng.normal(0, 0.12)), rng, green)
        for a in np.linspace(-0.35, np.pi + 0.35, 6)
    ]
    pieces = [Piece(outline, skin, gloss=0.4), *leaves]
    if rng.random() < 0.6:
        pieces.append(stem([(0, -0.42), (0.02, -0.52), (float(rng.uniform(-0.08, 0.08)), -0.62)], 0.018, green))
    return Item(pieces, 1.1)


def grapes(rng: Rng) -> Item:
    """A bunch: green, red or blue."""
    base = pick(rng, [(168, 190, 92), (112, 36, 60), (62, 50, 96), (190, 200, 110), (140, 52, 66)])
    bloom = float(rng.uniform(0.05, 0.4))
    radius = float(rng.uniform(0.11, 0.135))
    spots: list[tuple[float, float]] = []
    for row in range(7):
        y = -0.42 + row * radius * 1.35
        wide = 0.42 * (1 - row / 7.2)
        for k in np.arange(-wide, wide + 1e-6, radius * 1.5):
            spots.append((float(k + rng.normal(0, 0.022)), float(y + rng.normal(0, 0.028))))
    rng.shuffle(spots)

    def berry(x: float, y: float, factor: float) -> Piece:
        def skin(s: Surface) -> Field:
            return blend(
                tint(base, factor + 0.05 * s.noise(0.05)), (206, 208, 222), bloom * smooth(s.noise(0.06), -1, 1.5)
            )

        return Piece(ellipse(x, y, radius, radius * 1.08, points=28), skin, gloss=0.4, cast=0.45)

    pieces = [stem([(0, -0.42), (0.01, -0.56), (float(rng.uniform(-0.12, 0.12)), -0.7)], 0.022, (124, 122, 60))]
    pieces += [berry(x, y, float(rng.uniform(0.78, 1.12))) for x, y in spots]
    return Item(pieces, 1.25, crowd=2)
