"""Real crops: what a unit can see of a picture where it fires most, and where in it the unit fires."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from convscope.models.fields import Axis, ReceptiveField

# Few units a sheet: a list sorted by something shows units of as many sheets, and each is decoded whole.
CELL, UNITS_A_SHEET = 96, 8
# A smaller field is shown with what lies around it, for nobody knows a picture by seven pixels.
_SMALLEST = 24
_PAPER, _OUTLINE = (238, 238, 238), (255, 214, 10)
_DIMMED = 0.78


def crop_of(
    picture: np.ndarray, field: ReceptiveField, place: tuple[int, int], plane: np.ndarray, threshold: float
) -> np.ndarray:
    """The part of a picture that a cell sees, the places where the unit fires outlined, the rest dimmed.

    Args:
        picture: (H, W, 3) uint8, of the network's input size.
        field: the receptive field of the unit's cells.
        place: row and column of the cell.
        plane: (h, w), the unit's map of the picture.
        threshold: the answer from which on it fires. Nothing is marked where it does not.

    Returns:
        (CELL, CELL, 3) uint8; what is not as wide as high is shown whole, on grey.
    """
    top, bottom = _span(field.rows, place[0], picture.shape[0])
    left, right = _span(field.columns, place[1], picture.shape[1])
    scale = CELL / max(bottom - top, right - left)
    height, width = max(round((bottom - top) * scale), 1), max(round((right - left) * scale), 1)
    shown = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC, box=(left, top, right, bottom))
    pixels = np.array(shown)
    fires = _at(plane, field, (top, left), scale, (height, width)) >= threshold
    if fires.any() and not fires.all():
        pixels[~fires] = (pixels[~fires] * _DIMMED).astype(np.uint8)
        pixels[_rim(fires)] = _OUTLINE
    cell = np.full((CELL, CELL, 3), _PAPER, np.uint8)
    y, x = (CELL - height) // 2, (CELL - width) // 2
    cell[y : y + height, x : x + width] = pixels
    return cell


def sheet(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Crops as one picture, a unit a row, without margins: (len(rows) * CELL, columns * CELL, 3) uint8."""
    return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)


def _span(axis: Axis, cell: int, length: int) -> tuple[float, float]:
    """First pixel and the one behind the last; moved into the picture, not cut: crops of one layer are of one scale."""
    if math.isinf(axis.size):
        return 0.0, float(length)
    wanted = min(max(axis.size, _SMALLEST), length)
    start = min(max(axis.place(cell) + 0.5 - wanted / 2, 0.0), length - wanted)
    return start, start + wanted


def _at(
    plane: np.ndarray, field: ReceptiveField, corner: tuple[float, float], scale: float, size: tuple[int, int]
) -> np.ndarray:
    """A map at each pixel of a crop, bilinear between the middles of what its cells see.

    In double precision: between two cells that just reach the threshold, as those of a saturated unit may, it is reached everywhere.
    """
    weights = []
    for axis, start, wanted, cells in zip((field.rows, field.columns), corner, size, plane.shape, strict=True):
        before, share = axis.between(start + (np.arange(wanted) + 0.5) / scale - 0.5, cells)
        share = share.astype(np.float64)
        matrix = np.zeros((wanted, cells))
        matrix[np.arange(wanted), before] += 1 - share
        matrix[np.arange(wanted), np.minimum(before + 1, cells - 1)] += share
        weights.append(matrix)
    return np.asarray(weights[0] @ plane.astype(np.float64) @ weights[1].T, np.float32)


def _rim(region: np.ndarray) -> np.ndarray:
    """The pixels of a region that have a neighbour outside it."""
    padded = np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~inner
