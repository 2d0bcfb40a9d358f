"""What Keras computes otherwise on PyTorch than on the others, mended where Keras calls it."""

import functools
from typing import Any

import keras
from keras.src.backend.torch import nn as _operations

_average_pool = _operations.average_pool


@functools.wraps(_average_pool)
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """Averages of what there is in each window.

    Where the padding is not the same on both sides of a picture, Keras (3.15) repeats the picture's edge and averages over that, too.
    """
    layout = data_format or keras.config.image_data_format()
    axes = range(2, len(inputs.shape)) if layout == "channels_first" else range(1, len(inputs.shape) - 1)
    windows = (pool_size,) * len(axes) if isinstance(pool_size, int) else tuple(pool_size)
    steps = windows if strides is None else (strides,) * len(axes) if isinstance(strides, int) else tuple(strides)
    widths = [(0, 0)] * len(inputs.shape)
    if padding == "same":
        for axis, window, step in zip(axes, windows, steps, strict=True):
            widths[axis] = _operations._compute_padding_length(inputs.shape[axis], window, step)
    if all(before == behind for before, behind in widths):
        return _average_pool(inputs, pool_size, strides, padding, data_format)
    sums, shares = (
        _average_pool(keras.ops.pad(part, widths), windows, steps, "valid", data_format)
        for part in (inputs, keras.ops.ones_like(inputs))
    )
    return sums / shares


_operations.average_pool = average_pool
