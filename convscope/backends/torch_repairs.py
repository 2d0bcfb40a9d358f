"""What Keras computes otherwise on PyTorch than on the others, mended where Keras calls it."""

import functools
from typing import Any

import keras
from keras.src.backend.torch import nn as _operations
from keras.src.backend.torch import numpy as _numpy

_pad, _average_pool = _numpy.pad, _operations.average_pool


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


@functools.wraps(_pad)
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """What lies at the edge mirrored, the edge itself with it: for `symmetric` Keras (3.15) repeats the edge instead."""
    if mode != "symmetric" or constant_values is not None:
        return _pad(x, pad_width, mode, constant_values)
    for axis, (before, behind) in enumerate(pad_width):
        length = x.shape[axis]
        if max(before, behind) > length:
            raise ValueError(f"{max(before, behind)} places cannot be mirrored of {length}")
        around = [*range(before - 1, -1, -1), *range(length), *range(length - 1, length - 1 - behind, -1)]
        if before or behind:
            x = keras.ops.take(x, around, axis=axis)
    return x


_operations.average_pool, _numpy.pad = average_pool, pad
