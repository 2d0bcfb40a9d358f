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
# Rounds over all parts; and how near amounts have to be to those of the least, as a share of their length.
_ROUNDS, _CLOSE = 50, 1e-3
# Of the equations that are solved together.
_MOST_NUMBERS = 2**23


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

    By coordinate descent, all places at once: of parts that differ it comes to its end in a few rounds. Of parts that are nearly alike
    it hardly moves, and most would be left with the first of them; places where it may be far from the end are done by pivoting.

    Args:
        maps: (..., C), what the layer answers.
        parts: (r, C).

    Returns:
        (..., r) float32.
    """
    flat, exact = maps.reshape(-1, maps.shape[-1]), np.asarray(parts, np.float64)
    towards, alike = np.zeros((len(flat), len(exact))), exact @ exact.T
    # Single precision would lose what tells parts apart that are nearly alike; of maps it is asked a piece at a time.
    at_once = max(_MOST_NUMBERS // max(flat.shape[1], 1), 1)
    for start in range(0, len(flat), at_once):
        towards[start : start + at_once] = np.asarray(flat[start : start + at_once], np.float64) @ exact.T
    found = np.zeros_like(towards)
    for _ in range(_ROUNDS):
        largest = 0.0
        for number in range(len(parts)):
            change = (towards[:, number] - found @ alike[:, number]) / alike[number, number]
            renewed = np.maximum(found[:, number] + change, 0)
            largest = max(largest, float(abs(renewed - found[:, number]).max(initial=0)))
            found[:, number] = renewed
        if largest <= 1e-5 * max(float(found.max(initial=0)), 1e-30):
            break
    # The farther the slope is from what it is at the least, beside the least curvature, the farther the amounts may be.
    slope = found @ alike - towards
    slope[(found == 0) & (slope > 0)] = 0
    curvature = max(float(np.linalg.eigvalsh(alike)[0]), 1e-12) if len(parts) else 1.0
    unsure = np.flatnonzero(np.linalg.norm(slope, axis=1) > _CLOSE * curvature * np.linalg.norm(found, axis=1))
    at_once = max(_MOST_NUMBERS // max(len(parts) ** 2, 1), 1)
    for start in range(0, len(unsure), at_once):
        rows = unsure[start : start + at_once]
        found[rows] = _pivoted(towards[rows], alike, found[rows])
    return found.reshape(*maps.shape[:-1], len(parts)).astype(np.float32)


def _pivoted(
    towards: NDArray[np.float64], alike: NDArray[np.float64], otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The non-negative least squares of many rows by block principal pivoting (Kim and Park 2011, SIAM J. Sci. Comput. 33).

    Args:
        towards: (n, r), A W^T.
        alike: (r, r), W W^T.
        otherwise: (n, r), of rows that do not come to an end.
    """
    count = towards.shape[1]
    # Of parts that are the same, or more than channels, the least is no single point.
    curved = alike + 1e-9 * np.eye(count)
    rounding = 1e-9 * np.abs(towards).max(axis=1, keepdims=True)
    found, slope = np.zeros_like(towards), -towards
    free = np.zeros(towards.shape, bool)
    fewest, tries = np.full(len(towards), count + 1), np.full(len(towards), 3)
    for _ in range(10 * count + 50):
        wrong = np.where(free, found, slope) < -rounding
        many = wrong.sum(axis=1)
        left = np.flatnonzero(many)
        if not len(left):
            break
        better = many < fewest
        fewest, tries = np.where(better, many, fewest), np.where(better, 3, tries - 1)
        # Where all at once goes in circles, one at a time comes to the end.
        last = count - 1 - wrong[:, ::-1].argmax(axis=1)
        wrong &= (tries >= 0)[:, None] | (np.arange(count) == last[:, None])
        free[left] ^= wrong[left]
        chosen = free[left]
        system = np.where(chosen[:, :, None] & chosen[:, None, :], curved, np.eye(count))
        found[left] = np.linalg.solve(system, np.where(chosen, towards[left], 0)[..., None])[..., 0]
        slope[left] = found[left] @ curved - towards[left]
    else:
        found[left] = otherwise[left]
    return np.maximum(found, 0)
