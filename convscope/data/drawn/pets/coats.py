"""Coats: colours, stripes, spots, patches, points and markings. Cats and dogs draw from the same coats."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from convscope.data.drawn.geometry import Array, Rng

# name: (base, dark, light), RGB 0..255
PALETTES: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]] = {
    "black": ((58, 53, 56), (32, 29, 32), (108, 102, 104)),
    "charcoal": ((92, 96, 106), (52, 55, 64), (150, 154, 162)),
    "blue": ((128, 140, 154), (84, 94, 110), (190, 198, 206)),
    "silver": ((178, 178, 180), (92, 92, 100), (234, 233, 230)),
    "ginger": ((228, 148, 72), (178, 92, 38), (252, 218, 170)),
    "cream": ((240, 214, 172), (202, 156, 104), (254, 244, 226)),
    "brown": ((160, 124, 88), (78, 56, 42), (222, 194, 158)),
    "chocolate": ((118, 78, 56), (68, 44, 34), (176, 132, 102)),
    "fawn": ((212, 174, 128), (138, 98, 66), (246, 226, 194)),
    "white": ((244, 240, 233), (190, 176, 164), (255, 253, 249)),
    "red": ((184, 100, 56), (112, 56, 34), (236, 178, 128)),
    "lilac": ((194, 180, 182), (142, 124, 132), (236, 228, 226)),
    "sable": ((134, 96, 66), (48, 36, 32), (206, 166, 122)),
}
PATTERNS = ("solid", "stripes", "spots", "patches", "points", "saddle", "brindle", "merle")
_ODDS = (0.2, 0.19, 0.09, 0.14, 0.11, 0.13, 0.06, 0.08)
WHITE = np.array([246.0, 242.0, 236.0])


@dataclass(frozen=True)
class Coat:
    """One animal's coat: three colours (3,), the pattern, which areas are white, and the fur's grain."""

    base: Array
    dark: Array
    light: Array
    pattern: str
    second: Array
    white: frozenset[str]  # of "chest", "paws", "muzzle", "blaze", "tail tip", "legs"
    mask: float  # strength of a dark face, 0..1
    eye_patch: float  # -1, 0 or 1: which side of the face has a patch
    frequency: float
    grain: float
    skin: tuple[float, float, float]


def sample_coat(rng: Rng) -> Coat:
    """A random coat."""
    names = list(PALETTES)
    base, dark, light = (np.array(c, dtype=np.float64) for c in PALETTES[names[int(rng.integers(len(names)))]])
    shift = rng.uniform(0.9, 1.08) * rng.uniform(0.97, 1.03, 3)
    base, dark, light = (np.clip(c * shift, 14, 252) for c in (base, dark, light))
    pattern = str(rng.choice(PATTERNS, p=_ODDS))
    second = dark
    if pattern == "points":
        base, second = 0.25 * base + 0.75 * np.clip(light * 1.04, 0, 252), 0.75 * dark
    elif pattern == "patches":
        other = PALETTES[names[int(rng.integers(len(names)))]]
        second = np.array(other[int(rng.integers(2))], dtype=np.float64)
        if rng.random() < 0.5:
            base = WHITE * rng.uniform(0.94, 1.0)
    elif pattern == "saddle":
        base, second = 0.6 * base + 0.4 * light, 0.7 * dark
    elif pattern == "merle":
        base = 0.6 * base + 0.4 * light
    white: set[str] = set()
    if pattern != "points" and rng.random() < 0.5:
        choices = ("chest", "paws", "muzzle", "blaze", "tail tip", "legs")
        white = {
            name for name, odds in zip(choices, (0.85, 0.7, 0.7, 0.4, 0.4, 0.25), strict=True) if rng.random() < odds
        }
    skin = (214.0, 156.0, 146.0) if rng.random() < 0.65 else (128.0, 92.0, 88.0)
    mixed = 0.75 * np.array(skin) + 0.25 * base
    return Coat(
        base=base,
        dark=dark,
        light=light,
        pattern=pattern,
        second=second,
        white=frozenset(white),
        mask=float(rng.choice([0.0, 0.0, 0.0, 0.75])) if pattern != "points" else 0.9,
        eye_patch=float(rng.choice([-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]))
        if pattern in ("solid", "patches", "spots")
        else 0.0,
        frequency=float(rng.uniform(0.8, 1.25)),
        grain=float(rng.uniform(0.04, 0.11)),
        skin=(float(mixed[0]), float(mixed[1]), float(mixed[2])),
    )


def smooth(x: Array, low: float, high: float) -> Array:
    """0 below `low`, 1 above `high`, an S between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


class Fields:
    """Noise over the canvas, in cells that follow the animal's size; values about -1..1, float32 (size, size)."""

    def __init__(self, rng: Rng, size: int, unit: float) -> None:
        """`unit` is the number of canvas pixels of one body unit."""
        self.large = self._noise(rng, size, unit * 0.34, unit * 0.34)
        self.middle = self._noise(rng, size, unit * 0.085, unit * 0.085)
        strands = self._noise(rng, size, unit * 0.011, unit * 0.03) + 0.6 * self._noise(
            rng, size, unit * 0.03, unit * 0.014
        )
        self.hair = 0.5 * strands + 0.45 * self.middle

    @staticmethod
    def _noise(rng: Rng, size: int, cell_x: float, cell_y: float) -> Array:
        nx = int(np.clip(np.ceil(size / max(cell_x, 1.0)), 2, size))
        ny = int(np.clip(np.ceil(size / max(cell_y, 1.0)), 2, size))
        coarse = Image.fromarray(rng.uniform(-1.3, 1.3, (ny, nx)).astype(np.float32))
        return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def paint(coat: Coat, zone: str, u: Array, v: Array, down: Array, window: tuple[slice, slice], fields: Fields) -> Array:
    """The coat's colour over one shape.

    Args:
        coat: the coat.
        zone: which area of the animal ("torso", "head", "ear", ...).
        u, v: (h, w) local coordinates along and across the shape, about -1..1 inside it.
        down: (h, 1) or (h, w) vertical local coordinate, positive towards the ground.
        window: where the (h, w) crop lies on the canvas.
        fields: noise over the canvas.

    Returns:
        float32 (h, w, 3), RGB 0..255.
    """
    middle, hair = fields.middle[window], fields.hair[window]
    base = coat.base
    if zone == "light":
        base = coat.light
    elif zone in ("chest", "muzzle", "ruff") and coat.pattern != "points":
        base = 0.6 * coat.base + 0.4 * coat.light
    amount = _pattern(coat, zone, u, v, down, middle, fields.large[window])
    colour = np.empty((*hair.shape, 3), dtype=np.float32)
    if amount is None:
        colour[:] = base
    else:
        colour[:] = base + amount[..., None].astype(np.float32) * (coat.second - base).astype(np.float32)
    white = _white(coat, zone, u, v, middle)
    if white is not None:
        colour += white[..., None].astype(np.float32) * (WHITE.astype(np.float32) - colour)
    colour *= (1.0 + coat.grain * hair)[..., None]
    return colour


def _pattern(coat: Coat, zone: str, u: Array, v: Array, down: Array, middle: Array, large: Array) -> Array | None:
    f, kind = coat.frequency, coat.pattern
    face = zone in ("head", "muzzle")
    amount: Array | None = None
    if kind in ("stripes", "brindle"):
        fine, width = (1.0, 0.25) if kind == "stripes" else (1.9, 0.5)
        if zone in ("torso", "haunch"):
            wave = np.sin(u * 11 * f * fine + 1.3 * middle + 0.9 * v + 1.2 * large)
            amount = smooth(wave, -0.1 + width * 0.3, 0.55 + width * 0.3) * smooth(-down, -1.0, -0.1)
        elif zone in ("leg", "tail"):
            amount = smooth(np.sin(u * 9 * f * fine + 0.8 * middle + v), 0.15, 0.7)
        elif zone == "head":
            brow = np.sin(np.abs(u) * 15 * f + 0.5 * middle) * smooth(-v, 0.22, 0.5)
            side = np.sin(v * 13 * f + np.abs(u) * 3 + 0.5 * middle) * smooth(np.abs(u), 0.5, 0.72)
            amount = smooth(np.maximum(brow, side), 0.15, 0.6)
        elif zone in ("ear", "crown"):
            amount = np.full(u.shape, 0.3)
        if amount is not None:
            amount = amount * 0.85
    elif kind == "spots":
        if zone in ("torso", "haunch", "leg", "tail", "head"):
            amount = smooth(middle, 0.3, 0.5) * (0.85 if zone != "head" else 0.85 * smooth(-v, -0.1, 0.3))
    elif kind == "merle":
        if zone not in ("chest", "paw", "muzzle"):
            amount = smooth(0.8 * middle + large, 0.15, 0.45)
    elif kind == "patches":
        if zone not in ("chest", "paw", "muzzle", "ruff"):
            amount = smooth(large + 0.12 * middle, 0.0, 0.12)
    elif kind == "saddle":
        if zone in ("torso", "haunch"):
            amount = smooth(-down + 0.15 * middle, -0.35 if zone == "torso" else 0.0, 0.2)
        elif zone in ("tail", "ear", "crown"):
            amount = np.full(u.shape, 0.9)
        elif zone == "head":
            amount = smooth(-v + 0.1 * middle + 0.2 * np.abs(u), 0.2, 0.5) * 0.95
    elif kind == "points":
        if zone in ("ear", "paw", "muzzle", "tail"):
            amount = np.full(u.shape, 0.92)
        elif zone == "leg":
            amount = smooth(down, -0.2, 1.0) * 0.9
    if coat.mask and face:
        far = np.sqrt(u * u + ((v - 0.3) * 0.9) ** 2) if zone == "head" else np.zeros(u.shape)
        dark = coat.mask * smooth(-far + 0.06 * middle, -0.85, -0.3)
        amount = dark if amount is None else np.maximum(amount, dark)
    if coat.eye_patch and zone == "head":
        far = np.hypot(u - 0.42 * coat.eye_patch, v + 0.1)
        patch = smooth(-far + 0.06 * middle, -0.46, -0.38)
        amount = patch if amount is None else np.maximum(amount, patch)
    return amount


def _white(coat: Coat, zone: str, u: Array, v: Array, middle: Array) -> Array | None:
    white = coat.white
    if (
        (zone == "chest" and "chest" in white)
        or (zone == "paw" and "paws" in white)
        or (zone == "muzzle" and "muzzle" in white)
    ):
        return np.ones(u.shape)
    if zone == "head" and "blaze" in white:
        return smooth(-np.abs(u) + 0.04 * middle + 0.22 * np.clip(v, -0.4, 1.0), -0.2, -0.12)
    if zone == "tail" and "tail tip" in white:
        return smooth(u + 0.1 * middle, 0.45, 0.6)
    if zone == "leg" and "legs" in white:
        return smooth(u, 0.0, 0.3)
    if zone == "ruff" and "chest" in white:
        return smooth(v + 0.1 * middle, 0.0, 0.3)
    return None
