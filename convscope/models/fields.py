"""Receptive fields as numbers: where what a cell of a feature map sees lies in the picture."""

import dataclasses
import math
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Axis:
    """The receptive fields along one axis, in pixels of the network's input, whose first pixel lies at 0.

    Cell i sees what lies within `size / 2` of `centre + i * stride`: `size` whole pixels, some of them padding at the rim.
    `size` is infinite where a cell sees all of the picture.
    """

    centre: float
    stride: float
    size: float

    def place(self, cell: float) -> float:
        """The pixel in the middle of what a cell sees."""
        return self.centre + cell * self.stride

    def cell(self, pixel: Any) -> Any:
        """The cell, a fraction, in the middle of whose field a pixel lies; or those of an array of pixels."""
        return (pixel - self.centre) / self.stride

    def between(self, pixels: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
        """For each of some pixels (n,) the cell before it, int64, and the share of the one behind, float32; edges are repeated."""
        at = np.clip(self.cell(pixels), 0, cells - 1)
        before = np.minimum(np.floor(at), cells - 1).astype(np.int64)
        return before, (at - before).astype(np.float32)

    def span(self, cell: int, length: int) -> tuple[float, float]:
        """First pixel and the one behind the last that a cell sees of a picture so long; no padding."""
        if math.isinf(self.size):
            return 0.0, float(length)
        start = self.place(cell) - (self.size - 1) / 2
        return max(start, 0.0), min(start + self.size, float(length))


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """What the cells of a feature map see: down and across.

    `gated`: each cell is weighted by what a gate (squeeze and excitation) made of the whole picture; the field is that of the map.
    """

    rows: Axis
    columns: Axis
    gated: bool = False
