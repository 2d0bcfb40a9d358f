"""Whether two groups of maps are two kinds, or two ends of one: are there fewer maps between them than an even spread would leave?

Any cloud of points can be cut, and its halves lie apart, more so than those of shuffled pixels: a cat that stands now left, now right
gives maps of one kind without end. Between kinds there are few maps. So maps are laid on the line from the end of one group to the
beginning of the other, and of those next to the border as many are taken on both sides. Of all densities with one hump the even one
comes apart most there: with t the distance of the two halves' means over the root of their mean variance, a step of densities
a and b has t^2 = 6 (1/a + 1/b)^2 / (1/a^2 + 1/b^2) <= 12, with equality at a = b.

Groups were cut where a gap is, and in any sample some gap is the widest: at a place that was given beforehand an even spread hardly
comes apart, at its widest gap it often does. So what is compared with is the largest t of all places where an even spread could be
cut to leave no more than twice as many on the smaller side.

The line is found on half of the maps, and the others are laid on it: a line that was chosen to part some maps always parts them. It is
found on those of each group that lie next to the other one: of spots that wander far, all but those at the border are as far away
from it, whereby one kind would look like two. Halves are drawn several times; twice the median of their p-values is one (Meinshausen,
Meier and Buehlmann 2009, 0811.2177).
"""

import functools

import numpy as np
from numpy.typing import NDArray

# A p-value below it: two kinds.
LEVEL = 0.01
# Of the smaller side, the share that lies next to the border; of at least and at most so many maps, for the line of at least so many.
_NEAR, _LEAST, _MOST, _LEAST_ENDS = 0.25, 6, 100, 4
# Cuts that leave up to twice as many on the smaller side lie in so many times as many places, at both ends.
_ENDS = 4
_SPLITS, _DRAWS, _AT_ONCE = 5, 2000, 2**19


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
            low, high = _ends(*(points[learned & (group == number)] for number in (0, 1)))
            place = (points[~learned] - (low + high) / 2) @ (high - low)
            found.append(_p_value(place))
    return min(1.0, 2 * float(np.median(found)))


def _drawn(members: NDArray[np.int64], split: int) -> NDArray[np.int64]:
    order = np.random.default_rng([split, len(members)]).permutation(members)
    return order[: len(order) // 2]


def _ends(first: np.ndarray, second: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The means of those of either group that lie next to the other one: (n, d) and (m, d) -> (d,) each."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    line = second.mean(axis=0) - first.mean(axis=0)
    count = max(int(_NEAR * min(len(first), len(second))), _LEAST_ENDS)
    low = first[np.argsort(-(first @ line), kind="stable")[:count]]
    high = second[np.argsort(second @ line, kind="stable")[:count]]
    return low.mean(axis=0), high.mean(axis=0)


def _p_value(place: np.ndarray) -> float:
    """Of places on a line with the border at 0: how often evenly spread ones come apart as much, cut wherever they do most."""
    low, high = np.sort(-place[place < 0]), np.sort(place[place >= 0])
    smaller = min(len(low), len(high))
    near = min(smaller, max(_LEAST, int(_NEAR * smaller)), _MOST)
    if near < 2:
        return 1.0
    found = _come_apart(np.concatenate([-low[:near][::-1], high[:near]]))
    drawn = _even(near, _rounded(min(len(place), _ENDS * smaller)))
    return float((1 + len(drawn) - np.searchsorted(drawn, found)) / (1 + len(drawn)))


def _come_apart(places: np.ndarray) -> NDArray[np.float64]:
    """How far the lower half's mean is from the upper's, in their common standard deviation: (..., 2n) sorted -> (...)."""
    near = places.shape[-1] // 2
    low, high = places[..., :near], places[..., near:]
    spread = np.sqrt((low.var(axis=-1) + high.var(axis=-1)) / 2)
    return np.asarray((high.mean(axis=-1) - low.mean(axis=-1)) / np.maximum(spread, np.finfo(float).tiny))


def _rounded(count: int) -> int:
    """A number of maps, up to an eighth more: of that many an even spread is drawn once."""
    step = 2 ** max(count.bit_length() - 4, 0)
    return -(-count // step) * step


@functools.lru_cache(maxsize=512)
def _even(near: int, total: int) -> NDArray[np.float64]:
    """The same of `total` evenly spread places, each cut where `near` on both sides come apart most; sorted."""
    rng = np.random.default_rng([near, total])
    at_once = max(_AT_ONCE // total, 1)
    found = [
        _largest(np.sort(rng.uniform(-1, 1, (min(at_once, _DRAWS - start), total)), axis=1), near)
        for start in range(0, _DRAWS, at_once)
    ]
    return np.sort(np.concatenate(found))


def _largest(places: NDArray[np.float64], near: int) -> NDArray[np.float64]:
    """How far sorted places come apart at most, of all cuts with `near` on both sides: (n, total) -> (n,)."""
    sums, squares = (np.pad(part.cumsum(axis=1), ((0, 0), (1, 0))) for part in (places, places**2))
    mean = (sums[:, near:] - sums[:, :-near]) / near
    variance = np.maximum((squares[:, near:] - squares[:, :-near]) / near - mean**2, 1e-18)
    spread = np.sqrt((variance[:, :-near] + variance[:, near:]) / 2)
    return np.asarray(((mean[:, near:] - mean[:, :-near]) / spread).max(axis=1))
