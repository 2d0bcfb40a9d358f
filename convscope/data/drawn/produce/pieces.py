"""The pieces an item of produce is made of: an outline, a skin that knows where on the piece it is, roundness, gloss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from convscope.data.drawn.geometry import Array, Rng

PARTS = ("background", "fruit", "stem", "leaf")
FRUIT, STEM, LEAF = 1, 2, 3

RGB = tuple[float, float, float]
Field = Array


@dataclass
class Surface:
    """Where the pixels of a piece lie on it.

    Attributes:
        x, y: position in the item's own units (about one unit across), float32 (h, w).
        depth: 0 at the outline, 1 in the middle, float32 (h, w).
        unit: pixels of one unit.
        rng: source of the skin's texture.
    """

    x: Field
    y: Field
    depth: Field
    unit: float
    rng: Rng

    def noise(self, scale: float, along: float = 1.0) -> Field:
        """Smooth noise of features `scale` units wide and `along` times as tall; mean 0, deviation about 1."""
        height, width = self.x.shape
        step = max(scale * self.unit, 0.75)
        rows, columns = int(height / (step * along)) + 3, int(width / step) + 3
        grid = Image.fromarray(self.rng.standard_normal((rows, columns)).astype(np.float32))
        box = (0.5, 0.5, 0.5 + width / step, 0.5 + height / (step * along))
        return 1.4 * np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC, box=box), dtype=np.float32)


Skin = Callable[[Surface], Field]


@dataclass
class Piece:
    """One outline of an item.

    Attributes:
        outline: (points, 2) polygon in the item's units, x right, y down.
        skin: colours of its pixels, RGB 0..255, float32 (h, w, 3), before light falls on it.
        part: index into PARTS.
        bulge: how round it is, from 0 (flat) to 1 (a ball, a roll).
        gloss: strength of its highlights, 0..1.
        cast: strength of the shadow it throws on what lies under it.
        fuzz: width of a hairy outline, in units.
    """

    outline: Array
    skin: Skin
    part: int = FRUIT
    bulge: float = 1.0
    gloss: float = 0.25
    cast: float = 0.3
    fuzz: float = 0.0


@dataclass
class Item:
    """An item of produce: its pieces in painting order, its length in units, and how freely it may be turned (radians)."""

    pieces: list[Piece]
    length: float = 1.0
    turn: float = np.pi
    crowd: int = field(default=4)


def plain(colour: RGB) -> Skin:
    """A skin of one colour, a little uneven."""

    def paint(s: Surface) -> Field:
        return tint(colour, 1 + 0.04 * s.noise(0.12))

    return paint


def tint(colour: Sequence[float], factor: Field | float, like: Field | None = None) -> Field:
    """A colour times a factor a pixel, (h, w, 3)."""
    factor = np.asarray(factor if like is None else factor + 0 * like, dtype=np.float32)
    return np.asarray(factor[..., None] * np.asarray(colour, dtype=np.float32), dtype=np.float32)


def blend(a: Field, b: Sequence[float] | Field, amount: Field) -> Field:
    """Colours `a` (h, w, 3) moved towards `b` by the share `amount` (h, w), cut to 0..1."""
    share = np.clip(amount, 0, 1)[..., None].astype(np.float32)
    return np.asarray(a + share * (np.asarray(b, dtype=np.float32) - a), dtype=np.float32)


def smooth(x: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, a smooth step between them."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def pick(rng: Rng, colours: Sequence[RGB], spread: float = 0.07) -> RGB:
    """One of the colours, a little lighter or darker and of another hue."""
    base = np.asarray(colours[int(rng.integers(len(colours)))], dtype=float)
    r, g, b = np.clip(
        base * rng.uniform(1 - spread, 1 + spread) * rng.uniform(1 - spread / 2, 1 + spread / 2, 3), 0, 255
    )
    return float(r), float(g), float(b)


def round_outline(rng: Rng, rx: float, ry: float, uneven: float = 0.02, points: int = 64) -> Array:
    """A nearly elliptic outline around the origin, no two alike."""
    t = np.linspace(0, 2 * np.pi, points, endpoint=False)
    wave = sum(rng.normal(0, uneven / k) * np.cos(k * t + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4, 5))
    return np.stack([rx * (1 + wave) * np.cos(t), ry * (1 + wave) * np.sin(t)], axis=1)


def dimpled(outline: Array, angle: float, depth: float, width: float) -> Array:
    """The outline pressed in at an angle (radians, 0 to the right, y down)."""
    around = np.arctan2(outline[:, 1], outline[:, 0])
    away = np.angle(np.exp(1j * (around - angle)))
    return np.asarray(outline * (1 - depth * np.exp(-((away / width) ** 2)))[:, None])
