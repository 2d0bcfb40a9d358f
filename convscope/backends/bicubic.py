"""Bicubic resizing as two products of matrices: the same numbers on every backend."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

# TensorFlow reads its weights from a table of so many places between two pixels.
_PLACES = 1024


def resized(images: Any, height: int, width: int) -> Any:
    """(N, h, w, C) -> (N, height, width, C), as `tf.image.resize` does it."""
    down, across = matrix(images.shape[1], height), matrix(images.shape[2], width)
    return keras.ops.einsum("ih,nhwc,jw->nijc", down, images, across)


def of_keras(resize: Callable[..., Any]) -> Callable[..., Any]:
    """Keras's resizing (3.15), bicubic as TensorFlow has it: PyTorch's is another curve (a = -0.75), and JAX's has no table."""

    @functools.wraps(resize)
    def checked(images: Any, size: Any, interpolation: str = "bilinear", *args: Any, **kwargs: Any) -> Any:
        plain = not args and not any(value is True for value in kwargs.values())
        layout = kwargs.get("data_format") or keras.config.image_data_format()
        kind = keras.backend.standardize_dtype(images.dtype)
        if (
            interpolation != "bicubic"
            or not plain
            or "float" not in kind
            or (layout, len(images.shape)) != ("channels_last", 4)
        ):
            return resize(images, size, interpolation, *args, **kwargs)
        return keras.ops.cast(resized(keras.ops.cast(images, "float32"), *map(int, size)), kind)

    return checked


def matrix(length: int, larger: int) -> np.ndarray:
    """What makes `larger` values, or fewer, of `length`: (larger, length) float32, each row summing up to 1.

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
