"""Total Sobol indices: how much of a function's variance hangs on one of its inputs, alone and together with others."""

import numpy as np
from numpy.typing import NDArray


def designs(inputs: int, count: int, seed: int) -> NDArray[np.float64]:
    """Points at which a function is to be asked: (inputs + 1, count, inputs), in 0..1.

    The first are the base points, of a scrambled Sobol sequence, the others the same with one input taken from a second sequence.

    Args:
        inputs: of the function.
        count: base points, a power of two.
        seed: of the scrambling.
    """
    from scipy.stats import qmc

    both = qmc.Sobol(2 * inputs, scramble=True, rng=np.random.default_rng([seed, 0x50B0])).random(count)
    base, other = both[:, :inputs], both[:, inputs:]
    points = np.repeat(base[None], inputs + 1, axis=0)
    for number in range(inputs):
        points[number + 1, :, number] = other[:, number]
    return points


def total_indices(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Total indices by the estimator of Jansen (1999): half the mean squared change by an input, over the variance.

    An index is 1 at most. Its estimate is not: both parts of the fraction are means over few points. Cut off at 1, it would be too
    small on average. The indices of all inputs sum to 1 of a sum of functions of one input each, above 1 of others: what inputs do
    together counts for each of them.

    Args:
        values: (inputs + 1, count, ...), the function at the points of `designs`.

    Returns:
        (inputs, ...) float64, 0 or more; 0 of a function that does not change.
    """
    changes, variance = _parts(values)
    return _over(changes.mean(axis=1), variance)


def standard_error(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """How uncertain the mean of some functions' total indices is for the few points: its standard error, by linearisation.

    All functions were asked at the same points, so more of them make it no surer. The points count as drawn independently; those of
    a Sobol sequence are more even, and the error is mostly smaller.

    Args:
        values: (inputs + 1, count, functions), at the points of `designs`.

    Returns:
        (inputs,) float64.
    """
    changes, variance = _parts(values)
    indices = _over(changes.mean(axis=1), variance)
    apart = (values[0] - np.mean(values[0], axis=0, dtype=np.float64)) ** 2
    # By how much a point moves the fraction: its change beside what the fraction makes of its part of the variance.
    moved = _over(changes - indices[:, None] * apart, variance).mean(axis=2)
    return np.asarray(moved.std(axis=1, ddof=1) / np.sqrt(moved.shape[1]))


def _parts(values: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Half the squared changes by each input at each point, (inputs, count, ...), and the variance, (...); 0 where it is rounding."""
    known = np.asarray(values, np.float64)
    variance = known[0].var(axis=0)
    # What is no more than rounding is no change.
    least = (1e-6 * np.abs(known[0]).max(axis=0, initial=0)) ** 2
    return (known[:1] - known[1:]) ** 2 / 2, np.where(variance > least, variance, 0.0)


def _over(parts: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(parts, variance, out=np.zeros(parts.shape), where=np.broadcast_to(variance > 0, parts.shape))
