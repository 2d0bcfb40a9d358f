"""Whether two groups of maps are two kinds, or two ends of one: are there fewer maps between them than an even spread would leave?

Any cloud of points can be cut, and its halves lie apart, more so than those of shuffled pixels: a cat that stands now left, now right
gives maps of one kind without end. Between kinds there are few maps. So maps are laid on the line from the middle of one group to
the middle of the other, and of those next to the border as many are taken on both sides. Of all densities with one hump the even one
comes apart most there: with t the distance of the two halves' means over the root of their mean variance, a step of densities
a and b has t^2 = 6 (1/a + 1/b)^2 / (1/a^2 + 1/b^2) <= 12, with equality at a = b. Its t, drawn at random, is what is compared with.

The line is found on half of the maps, and the others are laid on it: a line that was chosen to part some maps always parts them.
Halves are drawn several times; twice the median of their p-values is one (Meinshausen, Meier and Buehlmann 2009, 0811.2177).
"""

import functools

import numpy as np
from numpy.typing import NDArray

# A p-value below it: two kinds.
LEVEL = 0.01
# Of the smaller side, the share that lies next to the border; of at least and at most so many maps.
_NEAR, _LEAST, _MOST = 0.25, 6, 100
_SPLITS, _DRAWS = 5, 4000


def two_kinds(first: np.ndarray, second: np.ndarray) -> float:
    """The p-value of two groups being one kind that was cut in two.

    Args:
        first, second: (n, d) and (m, d) float, a map a row.

    Returns:
        0..1; 1 where either has less than two maps for a half.
    """
    points, group = np.concatenate([first, second]), np.repeat([0, 1], [len(first), len(second)])
    if min(len(first), len(second)) < 4:
        return 1.0
    found = []
    for split in range(_SPLITS):
        half = np.zeros(len(points), bool)
        # Half of each group, so that a small one is in both.
        for number in (0, 1):
            half[_drawn(np.flatnonzero(group == number), split)] = True
        for learned in (half, ~half):
            low, high = (points[learned & (group == number)].mean(axis=0, dtype=np.float64) for number in (0, 1))
            place = (points[~learned] - (low + high) / 2) @ (high - low)
            found.append(_p_value(place))
    return min(1.0, 2 * float(np.median(found)))


def _drawn(members: NDArray[np.int64], split: int) -> NDArray[np.int64]:
    order = np.random.default_rng([split, len(members)]).permutation(members)
    return order[: len(order) // 2]


def _p_value(place: np.ndarray) -> float:
    """Of places on a line with the border at 0: how often evenly spread ones come apart as much."""
    low, high = np.sort(-place[place < 0]), np.sort(place[place >= 0])
    smaller = min(len(low), len(high))
    near = min(smaller, max(_LEAST, int(_NEAR * smaller)), _MOST)
    if near < 2:
        return 1.0
    found = _come_apart(np.concatenate([-low[:near][::-1], high[:near]]))
    drawn = _even(near)
    return float((1 + len(drawn) - np.searchsorted(drawn, found)) / (1 + len(drawn)))


def _come_apart(places: np.ndarray) -> NDArray[np.float64]:
    """How far the lower half's mean is from the upper's, in their common standard deviation: (..., 2n) sorted -> (...)."""
    near = places.shape[-1] // 2
    low, high = places[..., :near], places[..., near:]
    spread = np.sqrt((low.var(axis=-1) + high.var(axis=-1)) / 2)
    return np.asarray((high.mean(axis=-1) - low.mean(axis=-1)) / np.maximum(spread, np.finfo(float).tiny))


@functools.cache
def _even(near: int) -> NDArray[np.float64]:
    """The same of evenly spread places, sorted."""
    drawn = np.random.default_rng(near).uniform(size=(_DRAWS, 2 * near))
    return np.sort(_come_apart(np.sort(drawn, axis=1)))
