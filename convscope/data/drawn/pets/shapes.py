"""The pieces a pet is drawn from, in painting order."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from convscope.data.drawn.geometry import Array

PARTS = ("background", "body", "head", "ears", "eyes", "muzzle")
BODY, HEAD, EARS, EYES, MUZZLE = 1, 2, 3, 4, 5

Colour = tuple[float, float, float]


@dataclass
class Shape:
    """One filled outline (or a bundle of lines) of a pet.

    Attributes:
        outline: (points, 2) polygon; for lines, see `lines`.
        part: index into PARTS; 0 leaves the part under it as it is.
        zone: which area of the coat paints it ("torso", "head", ...); empty for a plain `colour`.
        colour: RGB 0..255 of a plain shape.
        shade: how strongly it is modelled by light, 0 (flat) .. 1.
        fluff: length of the hair tufts along its outline.
        cast: strength of the shadow it throws on the parts behind it, 0..1.
        dim: brightness factor (limbs on the far side are darker).
        soft: radius over which its edge fades into what lies under it.
        alpha: opacity.
        frame: (centre x, centre y, angle, half length, half width), the coat's local coordinates.
        lines, line_width: polylines drawn instead of the outline.
    """

    outline: Array
    part: int
    zone: str = ""
    colour: Colour = (0.0, 0.0, 0.0)
    shade: float = 1.0
    fluff: float = 0.0
    cast: float = 0.0
    dim: float = 1.0
    soft: float = 0.0
    alpha: float = 1.0
    frame: tuple[float, float, float, float, float] | None = None
    lines: list[Array] = field(default_factory=list)
    line_width: float = 0.0

    def coat_frame(self) -> tuple[float, float, float, float, float]:
        """The local frame: as given, else the outline's bounding box, its longer side first."""
        if self.frame is not None:
            return self.frame
        low, high = self.outline.min(axis=0), self.outline.max(axis=0)
        centre, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-6)
        if half[0] >= half[1]:
            return float(centre[0]), float(centre[1]), 0.0, float(half[0]), float(half[1])
        return float(centre[0]), float(centre[1]), np.pi / 2, float(half[1]), float(half[0])


def moved(shape: Shape, scale: float, angle: float, x: float, y: float) -> Shape:
    """The shape scaled, then turned, then shifted."""

    c, s = scale * math.cos(angle), scale * math.sin(angle)
    matrix, offset = np.array([[c, s], [-s, c]]), np.array([x, y])

    def place(points: Array) -> Array:
        return points @ matrix + offset

    cx, cy, axis, half_length, half_width = shape.coat_frame()
    return replace(
        shape,
        outline=place(shape.outline),
        lines=[place(line) for line in shape.lines],
        line_width=shape.line_width * scale,
        fluff=shape.fluff * scale,
        soft=shape.soft * scale,
        frame=(c * cx - s * cy + x, s * cx + c * cy + y, axis + angle, half_length * scale, half_width * scale),
    )
