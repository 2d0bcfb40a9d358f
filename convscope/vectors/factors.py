"""Concepts found without labels: what a layer answers to crops, taken apart into few parts that are never negative.

CRAFT (Fel et al. 2023, 2211.10154): the answers A (crops x channels) of a layer behind its ReLU are about U W, with the parts W
(concepts x channels) and how much of each a crop has, U; both non-negative, so that parts add up and none cancels another.
"""

import dataclasses
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

# As in the authors' own program: a light penalty on both.
_PENALTY = 0.01
_STEPS = 400


class BelowZeroError(ValueError):
    """A layer answers with numbers below 0, which parts that add up cannot make up."""


@dataclasses.dataclass(frozen=True)
class Bank:
    """The concepts of a class at a layer.

    Attributes:
        parts: (r, C) float32, W; each has the length 1.
        crops: (crops, r) float32, U of the crops.
        error: ||A - U W|| / ||A|| of the crops.
    """

    parts: NDArray[np.float32]
    crops: NDArray[np.float32]
    error: float


def bank_of(answers: NDArray[np.float32], count: int, seed: int) -> Bank:
    """Find concepts.

    Args:
        answers: (crops, C), none below 0.
        count: concepts at most; no more than there are crops or channels that answer.
        seed: of the first guess.

    Returns:
        The concepts, in no order; fewer where some come to nothing. None where nothing answers.

    Raises:
        BelowZeroError: an answer is below 0.
    """
    if (answers < 0).any():
        raise BelowZeroError("answers below 0")
    live = np.flatnonzero(answers.max(axis=0, initial=0) > 0)
    most = min(count, len(answers), len(live))
    scale = float(answers[:, live].mean()) if most else 0.0
    if not scale > 0:
        return Bank(np.zeros((0, answers.shape[1]), np.float32), np.zeros((len(answers), 0), np.float32), 0.0)
    small = np.asarray(answers[:, live], np.float64) / scale
    model = _machine(most, seed, init="nndsvda")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # after so many steps it is near enough
        crops = model.fit_transform(small)
    lengths = np.linalg.norm(model.components_, axis=1)
    kept = (lengths > 1e-9) & (crops.max(axis=0) > 1e-9)
    parts = np.zeros((int(kept.sum()), answers.shape[1]), np.float32)
    parts[:, live] = model.components_[kept] / lengths[kept, None]
    coefficients = np.asarray(crops[:, kept] * lengths[kept] * scale, np.float32)
    error = float(np.linalg.norm(answers - coefficients @ parts) / np.linalg.norm(answers))
    return Bank(parts, coefficients, error)


def _machine(count: int, seed: int, **options: Any) -> Any:
    from sklearn.decomposition import NMF

    return NMF(count, alpha_W=_PENALTY, max_iter=_STEPS, tol=1e-4, random_state=seed % 2**32, **options)


def amounts(maps: NDArray[np.float32], parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of each concept every place of some maps has: the non-negative U of the least ||A - U W||.

    By coordinate descent, all places at once: of a handful of parts it comes to its end in a few rounds.

    Args:
        maps: (..., C), what the layer answers.
        parts: (r, C).

    Returns:
        (..., r) float32.
    """
    flat = np.asarray(maps.reshape(-1, maps.shape[-1]), np.float32)
    towards, alike = np.asarray(flat @ parts.T, np.float64), np.asarray(parts, np.float64) @ parts.T
    found = np.zeros_like(towards)
    for _ in range(_STEPS):
        largest = 0.0
        for number in range(len(parts)):
            change = (towards[:, number] - found @ alike[:, number]) / alike[number, number]
            renewed = np.maximum(found[:, number] + change, 0)
            largest = max(largest, float(abs(renewed - found[:, number]).max(initial=0)))
            found[:, number] = renewed
        if largest <= 1e-5 * max(float(found.max(initial=0)), 1e-30):
            break
    return found.reshape(*maps.shape[:-1], len(parts)).astype(np.float32)
