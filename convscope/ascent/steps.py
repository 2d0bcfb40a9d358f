"""How far, and where, one step of an ascent goes."""

from typing import Any

import tensorflow as tf


def per_sample_norm(gradient: Any) -> Any:
    """L2 norm of each sample over height, width and channels: (N, H, W, C) -> (N, 1, 1, 1).

    Over the last axis alone (what `keras.ops.normalize` does) every pixel would move as far as every other, some two
    hundred times too far, and the patterns of deep layers drown in noise.
    """
    return tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=(1, 2, 3), keepdims=True))


def normalised_step(gradient: Any, norm: Any, length: float) -> Any:
    """A step of L2 length `length` along each sample's gradient; no step (not NaN) where the gradient is zero."""
    return length * tf.math.divide_no_nan(gradient, norm)
