"""Painting items of produce: round pieces in the light, highlights, shadows on what lies below, and the part mask."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter

from convscope.data.drawn.geometry import Array, Rng, tufted, turn
from convscope.data.drawn.masks import SUPERSAMPLING
from convscope.data.drawn.produce.pieces import Item, Piece, Surface

_UNLIT = 0.55  # brightness where no light falls
_LIT = 0.62
_COARSE = 4  # shadows are soft: they are painted on a coarser canvas


class Canvas:
    """A square picture being painted.

    Attributes:
        colour: float32 (size, size, 3), RGB 0..255.
        parts: uint8 (size, size), index into PARTS.
    """

    def __init__(self, background: Image.Image, light: tuple[float, float], gloss: float = 1.0) -> None:
        """`light` is the direction (x, y) towards the light as it falls on the table; `gloss` a factor on highlights."""
        self.colour: NDArray[np.float32] = np.asarray(background, dtype=np.float32).copy()
        self.size = background.width
        self.parts: NDArray[np.uint8] = np.zeros((self.size, self.size), dtype=np.uint8)
        self.gloss = gloss
        direction = np.array([0.62 * light[0], 0.62 * light[1], 0.78])
        self.light = direction / np.linalg.norm(direction)
        half = self.light + np.array([0.0, 0.0, 1.0])
        self.half = half / np.linalg.norm(half)

    def add(self, item: Item, place: tuple[float, float, float, float], shadow: float, rng: Rng) -> None:
        """Paint an item.

        Args:
            item: in its own units.
            place: (x, y, pixels of a unit, angle in radians) on the canvas.
            shadow: darkness of its shadow on the ground, 0..1.
            rng: source of its texture.
        """
        x, y, unit, angle = place
        outlines = [turn(piece.outline, angle) * unit + (x, y) for piece in item.pieces]
        self._shadow(outlines, unit, shadow)
        for piece, outline in zip(item.pieces, outlines, strict=True):
            self._piece(piece, outline, place, rng)

    def _shadow(self, outlines: list[Array], unit: float, strength: float) -> None:
        n = -(-self.size // _COARSE)
        away = -self.light[:2] * unit
        dark = np.zeros((n, n), dtype=np.float32)
        for reach, blur, share in ((0.05, 0.03, 0.55), (0.16, 0.10, 0.6)):
            mask = Image.new("L", (n, n), 0)
            draw = ImageDraw.Draw(mask)
            for outline in outlines:
                draw.polygon(((outline + reach * away) / _COARSE).ravel().tolist(), fill=255)
            dark += share * gaussian_filter(np.asarray(mask, dtype=np.float32) / 255, max(blur * unit / _COARSE, 0.6))
        whole = Image.fromarray(strength * np.clip(dark, 0, 1)).resize((n * _COARSE,) * 2, Image.Resampling.BILINEAR)
        alpha = np.asarray(whole, dtype=np.float32)[: self.size, : self.size, None]
        self.colour *= 1 - alpha * np.array([0.95, 0.93, 0.88], dtype=np.float32)

    def _piece(self, piece: Piece, outline: Array, place: tuple[float, float, float, float], rng: Rng) -> None:
        x, y, unit, angle = place
        if piece.fuzz:
            outline = tufted(outline, piece.fuzz * unit, rng)
        margin = 3
        low, high = outline.min(axis=0), outline.max(axis=0)
        x0, y0 = (max(0, int(np.floor(c)) - margin) for c in low)
        x1, y1 = (min(self.size, int(np.ceil(c)) + margin) for c in high)
        if x1 - x0 < 3 or y1 - y0 < 3:
            return
        k = SUPERSAMPLING
        mask = Image.new("L", ((x1 - x0) * k, (y1 - y0) * k), 0)
        ImageDraw.Draw(mask).polygon(((outline - (x0, y0)) * k).ravel().tolist(), fill=255)
        cover = np.asarray(mask.reduce(k), dtype=np.float32) / 255
        window = (slice(y0, y1), slice(x0, x1))
        target, parts = self.colour[window], self.parts[window]
        if piece.cast:
            reach = max(1.0, 0.05 * unit)
            down, right = (-reach * self.light[1::-1]).round().astype(int)
            fallen = np.roll(gaussian_filter(cover, reach, truncate=2.5), (down, right), axis=(0, 1))
            target *= (1 - piece.cast * fallen * (parts > 0))[..., None]
        normal, depth = _normals(cover, piece.bulge)
        c, s = np.cos(angle), np.sin(angle)
        dx = (np.arange(x0, x1, dtype=np.float32)[None, :] + 0.5 - x) / unit
        dy = (np.arange(y0, y1, dtype=np.float32)[:, None] + 0.5 - y) / unit
        surface = Surface((c * dx + s * dy).astype(np.float32), (c * dy - s * dx).astype(np.float32), depth, unit, rng)
        colour = np.clip(piece.skin(surface), 0, 255)
        lit = np.clip(normal @ self.light, 0, 1)
        colour = colour * ((_UNLIT + _LIT * lit) * (0.8 + 0.2 * normal[..., 2]))[..., None]
        shine = np.clip(normal @ self.half, 0, 1)
        strength = min(1.0, piece.gloss * self.gloss)
        # Two highlights: the lamp itself, small and hard, and the bright room around it.
        highlight = strength * (shine**70 + 0.22 * shine**10) * (0.35 if piece.bulge < 0.3 else 1.0)
        colour += np.clip(highlight, 0, 1)[..., None] * (255 - colour) * 0.9
        target += cover[..., None] * (colour - target)
        parts[cover >= 0.5] = piece.part


def _normals(cover: Array, bulge: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Surface normals (h, w, 3) of a flat shape blown up like a cushion, and its depth 0..1 (h, w)."""
    inside: NDArray[np.float32] = distance_transform_edt(np.pad(cover, 1) >= 0.5)[1:-1, 1:-1].astype(np.float32)
    deepest = max(float(inside.max()), 1.0)
    depth = np.clip(inside / deepest, 0, 1)
    height = deepest * np.sqrt(depth * (2 - depth)) * bulge
    height = gaussian_filter(height, 0.09 * deepest + 0.6)
    gy, gx = np.gradient(height)
    normal = np.stack([-gx, -gy, np.full_like(gx, 0.85)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return normal.astype(np.float32), gaussian_filter(depth, 0.8)
