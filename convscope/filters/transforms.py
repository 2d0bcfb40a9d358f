"""Small random shifts, zooms and turns between steps: what a pattern keeps under them is no accident of the pixel grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from convscope.backends.running import NAME


@dataclass(frozen=True)
class Robustness:
    """How far the image is moved before each step.

    Attributes:
        jitter: largest shift, share of the side.
        zoom: largest change of scale (0.1: from 0.9 to 1.1).
        turn: largest angle, degrees.
    """

    jitter: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.jitter or self.zoom or self.turn)

    def draw(self, generators: Sequence[np.random.Generator], steps: int) -> np.ndarray:
        """Random moves, (steps, N, 4): shift down and across as shares of the side, log of the scale, angle in radians."""
        limits = [self.jitter, self.jitter, np.log1p(self.zoom), np.deg2rad(self.turn)]
        drawn = [generator.uniform(-1, 1, (steps, 4)) * limits for generator in generators]
        return np.stack(drawn, axis=1).astype(np.float32)


def moved(images: Any, moves: Any) -> Any:
    """Images under their moves, bilinear, grey beyond the frame.

    Args:
        images: (N, H, W, C), black -1, white 1.
        moves: (N, 4), one step of `Robustness.draw`.

    Returns:
        (N, H, W, C), differentiable in the images.
    """
    side = float(images.shape[1])
    down, across = moves[:, 0] * side, moves[:, 1] * side
    scale, centre = ops.exp(-moves[:, 2]), (side - 1) / 2
    cosine, sine = scale * ops.cos(moves[:, 3]), scale * ops.sin(moves[:, 3])
    # The matrix takes a place of the result to the place it is read from; it turns about the centre.
    right = centre - cosine * centre + sine * centre + across
    below = centre - sine * centre - cosine * centre + down
    there = _rows(cosine, -sine, right, sine, cosine, below)
    if NAME == "tensorflow":
        return _transformed(images, there)
    length = cosine**2 + sine**2
    cosine, sine = cosine / length, sine / length
    back = _rows(cosine, sine, -cosine * right - sine * below, -sine, cosine, sine * right - cosine * below)

    @ops.custom_gradient
    def carried(images: Any) -> Any:
        def undone(*gradients: Any, upstream: Any = None) -> Any:
            # As TensorFlow has it: the way back is the move undone, read with the same interpolation.
            return _read(gradients[0] if upstream is None else upstream, back)

        return _read(images, there), undone

    return carried(images)


def _rows(*first_two: Any) -> Any:
    """Six numbers a move, (N,) each, as (N, 8): the first two rows of a matrix, and what no projection bends."""
    zero = ops.zeros_like(first_two[0])
    return ops.stack([*first_two, zero, zero], axis=1)


def _transformed(images: Any, matrix: Any) -> Any:
    return ops.image.affine_transform(
        images, matrix, interpolation="bilinear", fill_mode="constant", fill_value=0.0, data_format="channels_last"
    )


def _read(images: Any, matrix: Any) -> Any:
    """The same for all images at once: elsewhere than on TensorFlow Keras takes them one by one, 70 operations each."""
    height, width, depth = (int(size) for size in images.shape[1:])
    count = int(images.shape[0])
    down, across = np.mgrid[:height, :width].astype(np.float32)
    places = np.stack([across.ravel(), down.ravel(), np.ones(height * width, np.float32)])
    # (N, places): the columns and the rows that are read, and the whole ones before them.
    columns, rows = ops.matmul(matrix[:, :3], places), ops.matmul(matrix[:, 3:6], places)
    left, top = ops.floor(columns), ops.floor(rows)
    flat = ops.reshape(images, (count * height * width, depth))
    first = (np.arange(count, dtype=np.int32) * height * width)[:, None]
    total: Any = 0.0
    for row, by_row in ((top, top + 1 - rows), (top + 1, rows - top)):
        for column, by_column in ((left, left + 1 - columns), (left + 1, columns - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            whole = ops.cast(ops.clip(row, 0, height - 1) * width + ops.clip(column, 0, width - 1), "int32")
            values = ops.reshape(
                ops.take(flat, ops.reshape(ops.add(whole, first), (-1,)), axis=0), (count, height * width, depth)
            )
            total = total + values * ops.where(inside, by_row * by_column, 0.0)[..., None]
    return ops.reshape(total, (count, height, width, depth))
