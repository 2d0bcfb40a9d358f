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

    Args:
        values: (inputs + 1, count, ...), the function at the points of `designs`.

    Returns:
        (inputs, ...) float64; 0 of a function that does not change.
    """
    known = np.asarray(values, np.float64)
    changes = ((known[:1] - known[1:]) ** 2).mean(axis=1) / 2
    variance = known[0].var(axis=0)
    # What is no more than rounding is no change.
    least = (1e-6 * np.abs(known[0]).max(axis=0, initial=0)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > least, changes / variance, 0.0)
