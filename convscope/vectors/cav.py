"""Concept activation vectors (CAVs): the normal of a linear classifier between the examples of a concept and random ones.

Of all examples only their inner products are needed: the classifier with a penalty on its weights is a sum of examples, so that a
layer of a hundred thousand numbers costs no more than one of a hundred, however many classifiers there are.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

# Weight of the penalty against the mean of the loss, as in the authors' own program; and the examples' mean squared distance from
# their mean, to which they are brought, so that the same penalty means the same at every layer.
PENALTY, SCALE = 0.01, 100.0
_HELD_OUT = 1 / 3
_MOST_STEPS = 50


class FewPicturesError(ValueError):
    """Examples are of too few pictures for some to be held out."""


@dataclasses.dataclass(frozen=True)
class Cav:
    """A CAV as a sum of examples.

    Attributes:
        weights: (n,) float64: the unit normal is `weights @ activations[rows]`; towards the concept.
        rows: (n,) int64, the examples that it was learned of.
        accuracy: share of the held-out examples on the right side, the mean of both kinds; 0..1.
    """

    weights: NDArray[np.float64]
    rows: NDArray[np.int64]
    accuracy: float


def learn(
    products: NDArray[np.float64],
    concept: NDArray[np.int64],
    others: NDArray[np.int64],
    sources: NDArray[np.int64],
    rng: np.random.Generator,
) -> Cav:
    """Learn one CAV (Kim et al. 2018, 1711.11279), by logistic regression.

    A third of the examples is held out, all that are of the same pictures: crops of one picture on both sides would be known again.

    Args:
        products: (M, M), inner products of all examples' activations.
        concept, others: rows of the examples on both sides.
        sources: (M,), of which picture an example is.
        rng: tells which pictures are held out.

    Raises:
        FewPicturesError: the examples are of too few pictures for both parts to have both kinds.
    """
    rows = np.concatenate([concept, others])
    truth = np.repeat([1, 0], [len(concept), len(others)])
    tested = _held_out(sources[rows], truth, rng)
    seen, asked = rows[~tested], rows[tested]
    known = truth[~tested]
    gram = products[np.ix_(seen, seen)]
    mean = gram.mean(axis=1)
    centred = gram - mean[:, None] - mean[None, :] + mean.mean()
    variance = float(np.trace(centred)) / len(seen) / SCALE
    values, vectors = np.linalg.eigh(centred / max(variance, np.finfo(float).tiny))
    kept = values > 1e-9 * max(float(values[-1]), 1e-9)
    values, vectors = values[kept], vectors[:, kept]
    if not variance > 0 or not kept.any():  # all examples are the same
        return Cav(np.zeros(len(seen)), seen, 0.5)
    slopes, intercept = _logistic(vectors * np.sqrt(values), known, PENALTY)
    weights = vectors @ (slopes / np.sqrt(values))
    weights = weights - weights.mean()
    norm = float(np.sqrt(max(weights @ gram @ weights, 0.0)))
    if not norm > 0:
        return Cav(np.zeros(len(seen)), seen, 0.5)
    weights = weights / norm
    # The classifier says weights . (x - mean) * norm / variance + intercept > 0.
    border = float(weights @ mean) - intercept * variance / norm
    right = (products[np.ix_(asked, seen)] @ weights > border) == (truth[tested] == 1)
    accuracy = (right[truth[tested] == 1].mean() + right[truth[tested] == 0].mean()) / 2
    return Cav(weights, seen, float(accuracy))


def _logistic(
    points: NDArray[np.float64], truth: NDArray[np.int64], penalty: float
) -> tuple[NDArray[np.float64], float]:
    """Slopes and intercept of the least mean logistic loss plus `penalty / 2` times the slopes' squared length, by Newton's method.

    A library's solvers come to the same, in ten times as long for as few points: most of that is their own checks.
    """
    design = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    ridge = np.full(design.shape[1], penalty * len(points))
    ridge[-1] = 0.0
    found = np.zeros(design.shape[1])

    def loss(at: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0, design @ at * (1 - 2 * truth)).sum() + 0.5 * ridge @ at**2)

    for _ in range(_MOST_STEPS):
        share = 1 / (1 + np.exp(-np.clip(design @ found, -500, 500)))
        slope = design.T @ (share - truth) + ridge * found
        curvature = (design.T * (share * (1 - share))) @ design + np.diag(ridge)
        curvature[-1, -1] += 1e-9
        step = np.linalg.solve(curvature, slope)
        length = 1.0
        while length > 1e-6 and loss(found - length * step) > loss(found) - 1e-4 * length * float(slope @ step):
            length /= 2
        found = found - length * step
        if float(slope @ step) < 1e-12:
            break
    return found[:-1], float(found[-1])


def _held_out(sources: NDArray[np.int64], truth: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which examples are held out: whole pictures, until a third of both kinds is."""
    tested = np.zeros(len(sources), bool)
    pictures = rng.permutation(np.unique(sources))
    for picture in pictures:
        lacking = [kind for kind in (0, 1) if tested[truth == kind].mean() < _HELD_OUT]
        of_it = sources == picture
        if any((truth[of_it] == kind).any() for kind in lacking):
            tested |= of_it
        if not lacking:
            break
    if any((tested[truth == kind].all() or not tested[truth == kind].any()) for kind in (0, 1)):
        raise FewPicturesError("examples of too few pictures")
    return tested
