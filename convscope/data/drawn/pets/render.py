"""Painting shapes on a canvas: antialiased edges, soft modelling by light, contact shadows, and the part mask."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from convscope.data.drawn.geometry import Array, Rng, tufted
from convscope.data.drawn.masks import SUPERSAMPLING
from convscope.data.drawn.pets.coats import Coat, Fields, paint
from convscope.data.drawn.pets.shapes import Shape


class Canvas:
    """A square picture being painted, with the animal's part mask.

    Attributes:
        colour: float32 (size, size, 3), RGB 0..255.
        parts: uint8 (size, size), index into PARTS.
    """

    def __init__(self, background: Image.Image, light: tuple[float, float]) -> None:
        """`light` is the direction (x, y) towards the light, length about 1."""
        self.colour: NDArray[np.float32] = np.asarray(background, dtype=np.float32).copy()
        self.size = background.width
        self.parts: NDArray[np.uint8] = np.zeros((self.size, self.size), dtype=np.uint8)
        self.light = light

    def ground_shadow(self, ellipses: list[tuple[float, float, float, float]], blur: float, strength: float) -> None:
        """Darken the ground under the animal.

        Args:
            ellipses: (x, y, rx, ry) in canvas pixels.
            blur: softness of the shadow's edge in canvas pixels.
            strength: darkness at its deepest, 0..1.
        """
        small = 4
        n = -(-self.size // small)
        mask = Image.new("L", (n, n), 0)
        draw = ImageDraw.Draw(mask)
        for x, y, rx, ry in ellipses:
            draw.ellipse([(x - rx) / small, (y - ry) / small, (x + rx) / small, (y + ry) / small], fill=255)
        mask = mask.filter(ImageFilter.GaussianBlur(max(0.8, blur / small)))
        mask = mask.resize((n * small, n * small), Image.Resampling.BILINEAR)
        alpha = np.asarray(mask, dtype=np.float32)[: self.size, : self.size] * (strength / 255.0)
        self.colour *= 1.0 - alpha[..., None] * np.array([0.92, 0.94, 0.86], dtype=np.float32)

    def add(self, shape: Shape, coat: Coat, fields: Fields, rng: Rng) -> None:
        """Paint one shape, its coordinates in canvas pixels."""
        outline = shape.outline
        if shape.fluff > 0.9 and shape.zone:
            outline = tufted(outline, shape.fluff, rng)
        points = np.concatenate(shape.lines) if shape.lines else outline
        low, high = points.min(axis=0), points.max(axis=0)
        extent = float(min(high - low))
        radius = min(max(0.2 * extent, 1.5), 0.14 * self.size) if shape.shade else 0.0
        margin = int(np.ceil(max(radius, shape.line_width, 2 * shape.soft, 2.0)))
        x0, y0 = (max(0, int(np.floor(c)) - margin) for c in low)
        x1, y1 = (min(self.size, int(np.ceil(c)) + margin + 1) for c in high)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        mask = _mask(shape, outline, x0, y0, x1, y1)
        window = (slice(y0, y1), slice(x0, x1))
        cover = mask.reduce(SUPERSAMPLING)
        target, parts = self.colour[window], self.parts[window]
        hard = alpha = np.asarray(cover, dtype=np.float32) * (1.0 / 255.0)
        if shape.soft > 0.6:  # only where the animal is behind: its silhouette stays sharp
            soft = np.asarray(cover.filter(ImageFilter.BoxBlur(shape.soft)), dtype=np.float32) * (1.0 / 255.0)
            alpha = np.where(parts > 0, soft, hard)
        shade: Array | None = None
        if shape.shade or shape.cast:
            blurred = mask.reduce(2 * SUPERSAMPLING).filter(ImageFilter.GaussianBlur(max(radius, 1.5) * 0.35))
            if shape.cast:
                self._cast(target, parts, blurred, shape.cast, max(radius, 1.5))
            if shape.shade:
                shade = self._shade(blurred, (x1 - x0, y1 - y0), radius, shape.shade)
        if shape.zone:
            colour = self._coat(shape, coat, fields, window)
        else:
            colour = np.empty((*alpha.shape, 3), dtype=np.float32)
            colour[:] = shape.colour
        if shade is not None:
            colour *= (shade * shape.dim)[..., None]
        opacity = alpha * shape.alpha
        target += opacity[..., None] * (colour - target)
        if shape.part:
            parts[hard >= 0.5] = shape.part

    def _coat(self, shape: Shape, coat: Coat, fields: Fields, window: tuple[slice, slice]) -> Array:
        cx, cy, angle, half_length, half_width = shape.coat_frame()
        x = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :] + 0.5 - cx
        y = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] + 0.5 - cy
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        along, across = np.float32(1 / half_length), np.float32(1 / half_width)
        u, v = x * (c * along) + y * (s * along), y * (c * across) - x * (s * across)
        vertical = half_width if abs(c) > 0.7 else half_length
        down = np.broadcast_to(y / np.float32(vertical), u.shape)
        return paint(coat, shape.zone, u, v, down, window, fields)

    def _shade(self, blurred: Image.Image, size: tuple[int, int], radius: float, strength: float) -> Array:
        """Brightness over a shape: its blurred mask, seen from a little towards the light's far side."""
        shift_x, shift_y = -0.5 * radius * self.light[0], -0.5 * radius * self.light[1]
        moved = blurred.transform(
            size, Image.Transform.AFFINE, (0.5, 0, -0.5 * shift_x, 0, 0.5, -0.5 * shift_y), Image.Resampling.BILINEAR
        )
        inside = np.asarray(moved, dtype=np.float32) * (1.0 / 255.0)
        return 1.0 + strength * 0.5 * (inside - 0.84)

    def _cast(
        self, target: Array, parts: NDArray[np.uint8], blurred: Image.Image, strength: float, radius: float
    ) -> None:
        shift_x, shift_y = -0.35 * radius * self.light[0], 0.45 * radius
        size = (target.shape[1], target.shape[0])
        moved = blurred.transform(
            size, Image.Transform.AFFINE, (0.5, 0, -0.5 * shift_x, 0, 0.5, -0.5 * shift_y), Image.Resampling.BILINEAR
        )
        dark = np.asarray(moved, dtype=np.float32) * (strength * 0.8 / 255.0) * (parts > 0)
        target *= (1.0 - dark)[..., None]


def _mask(shape: Shape, outline: Array, x0: int, y0: int, x1: int, y1: int) -> Image.Image:
    k = SUPERSAMPLING
    mask = Image.new("L", ((x1 - x0) * k, (y1 - y0) * k), 0)
    draw = ImageDraw.Draw(mask)
    origin = np.array([x0, y0])
    if shape.lines:
        width = shape.line_width * k
        # A line thinner than a mask's pixel is drawn one pixel wide and fainter.
        fill = int(255 * min(1.0, max(width, 0.35)))
        for line in shape.lines:
            draw.line(((line - origin) * k).ravel().tolist(), fill=fill, width=max(1, round(width)), joint="curve")
    else:
        draw.polygon(((outline - origin) * k).ravel().tolist(), fill=255)
    return mask
