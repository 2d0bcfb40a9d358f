"""How much the concepts that were found at a layer count for a class: each taken away by and by, alone and with others."""

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convscope.vectors.sobol import total_indices


@dataclasses.dataclass(frozen=True)
class Importance:
    """What of a class's logit hangs on each concept, in one picture.

    Attributes:
        total: (r,) float64, estimates of total Sobol indices; 0 none of it.
        removed: (r,) float64, by how much the logit falls when a concept is taken away; negative where it rises.
        kept: (2,) float64, the logit of the picture and that of its maps as the concepts make them up.
        values: (r + 1, n) float64, the logits at the points, of which `total` is estimated.
    """

    total: NDArray[np.float64]
    removed: NDArray[np.float64]
    kept: NDArray[np.float64]
    values: NDArray[np.float64]


def importance(
    amounts: NDArray[np.float32],
    parts: NDArray[np.float32],
    points: NDArray[np.float64],
    above: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    logit: float,
    at_once: int = 64,
) -> Importance:
    """Ask the network's upper part for maps (1 - M) U W in which concepts are weakened (Fel et al. 2023, 2211.10154).

    Args:
        amounts: (h, w, r), U of a picture.
        parts: (r, C), W.
        points: (r + 1, n, r) in 0..1, of `sobol.designs`: what is left of each concept, 1 - M.
        above: maps (n, h, w, C) -> logits (n,).
        logit: of the picture itself.
        at_once: maps that are made together.
    """
    count = len(parts)
    flat = points.reshape(-1, count)
    # Then each concept taken away alone, and none.
    left = np.concatenate([flat, 1 - np.eye(count), np.ones((1, count))]).astype(np.float32)
    values = np.concatenate(
        [
            above(np.asarray(left[start : start + at_once, None, None] * amounts @ parts))
            for start in range(0, len(left), at_once)
        ]
    )
    whole = float(values[-1])
    asked = values[: len(flat)].reshape(points.shape[:2])
    return Importance(total_indices(asked), whole - values[len(flat) : -1], np.array([logit, whole]), asked)
