"""Bicubic enlarging as two products of matrices: the same numbers on every backend."""

from typing import Any

import keras
import numpy as np

# TensorFlow reads its weights from a table of so many places between two pixels.
_PLACES = 1024


def resized(images: Any, side: int) -> Any:
    """(N, h, w, C) -> (N, side, side, C), as `tf.image.resize` does it."""
    down, across = (matrix(length, side) for length in images.shape[1:3])
    return keras.ops.einsum("ih,nhwc,jw->nijc", down, images, across)


def matrix(length: int, larger: int) -> np.ndarray:
    """What makes `larger` values of `length`: (larger, length) float32, each row summing up to 1.

    Cubic convolution (Keys 1981) with a = -0.5; the centres of pixels lie in their places, and beyond the edge there is nothing.
    """
    result = np.zeros((larger, length))
    for row in range(larger):
        place = (row + 0.5) * length / larger - 0.5
        first = int(np.floor(place))
        share = np.rint((place - first) * _PLACES) / _PLACES
        for offset in range(-1, 3):
            if 0 <= first + offset < length:
                result[row, first + offset] = _keys(abs(offset - share))
        result[row] /= result[row].sum()
    return result.astype(np.float32)


def _keys(x: float) -> float:
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0
