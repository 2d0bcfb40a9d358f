"""Small random shifts, zooms and turns between steps: what a pattern keeps under them is no accident of the pixel grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf


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
    scale, centre = tf.exp(-moves[:, 2]), (side - 1) / 2
    cosine, sine = scale * tf.cos(moves[:, 3]), scale * tf.sin(moves[:, 3])
    # Rows of the matrix that takes a place of the result to the place it is read from; it turns about the centre.
    zero = tf.zeros_like(cosine)
    matrix = tf.stack(
        [cosine, -sine, centre - cosine * centre + sine * centre + across,
         sine, cosine, centre - sine * centre - cosine * centre + down, zero, zero], axis=1,
    )  # fmt: skip
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images, transforms=matrix, output_shape=tf.shape(images)[1:3], fill_value=0.0,
        interpolation="BILINEAR", fill_mode="CONSTANT",
    )  # fmt: skip
