"""Confidence intervals: of a mean over pictures, of a share of hits, and of a mean over pictures and random networks."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, stdtr, stdtrit

from convscope.judging.signflip import nearly_zero, subsets


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval over `count` pictures; all NaN where there are none, infinite where they are too few."""

    mean: float
    low: float
    high: float
    count: int


_NOTHING = Interval(float("nan"), float("nan"), float("nan"), 0)


def interval(values: np.ndarray, level: float = 0.95) -> Interval:
    """The means that the sign-flip test does not rule out; a value that is not finite is left out.

    Its ends are order statistics of the means of subsets of the values ("typical values": Hartigan 1969, JASA 64, 1303), so it
    leaves out 0 exactly where `signflip.p_values` is at most `(1 - level) / 2`. Below six pictures no mean can be ruled out at
    95 %, and the ends are infinite.

    Args:
        values: (N,) a number a picture (for a paired comparison, the differences), or (N, R) a number a picture and random
            network: then it is `crossed`.
        level: of confidence.
    """
    values = np.asarray(values, np.float64)
    if values.ndim == 2:
        return crossed(values, level).interval
    values = values[np.isfinite(values)]
    if not len(values):
        return _NOTHING
    place = int((1 - level) / 2 * (1 + len(subsets(len(values)))) * (1 + 1e-9))
    low, high = (_lowest(values, place), 0.0 - _lowest(-values, place)) if place else (-np.inf, np.inf)
    return Interval(float(values.mean()), low, high, len(values))


def _lowest(values: np.ndarray, place: int) -> float:
    """The `place`-th lowest mean of a subset, where the test in this direction says so for the last time."""
    ordered = np.sort(values)  # as `signflip.in_order` has them once a mean below theirs is taken off
    chosen = subsets(len(values))
    sizes, sums = chosen.sum(axis=1), chosen @ ordered
    sums = np.where(np.abs(sums) <= nearly_zero(ordered), 0.0, sums)
    # Of an empty subset, drawn by chance, nothing is ruled out.
    means = np.divide(sums, sizes, out=np.full(len(sums), -np.inf), where=sizes > 0)
    return float(np.partition(means, place - 1)[place - 1])


def proportion(values: np.ndarray, level: float = 0.95) -> Interval:
    """A share of hits with the interval of Clopper & Pearson (1934, Biometrika 26, 404): 8 of 8 hits may be 63 % in truth.

    Args:
        values: (N,) 0 (miss) to 1 (hit); what lies between counts as a part of a hit. A value that is not finite is left out.
        level: of confidence.
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    count, tail = len(values), (1 - level) / 2
    if not count:
        return _NOTHING
    hits = float(np.clip(values.sum(), 0, count))
    low = float(betaincinv(hits, count - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0
    return Interval(hits / count, low, high, count)


@dataclass(frozen=True)
class Crossed:
    """A mean over pictures and networks: `error` its standard error, `freedom` the degrees of freedom of that, `networks` (R)."""

    interval: Interval
    error: float
    freedom: float
    networks: int
    between_pictures: float
    between_networks: float

    def p_values(self, limit: float) -> tuple[float, float]:
        """p of "the mean is above `limit`" and of "below" it, one-sided (t-test); 1 where there is too little to tell."""
        mean = self.interval.mean
        if not np.isfinite(self.error) or not np.isfinite(mean):
            return 1.0, 1.0
        if self.error == 0:
            return float(mean <= limit), float(mean >= limit)
        above = float(stdtr(self.freedom, -(mean - limit) / self.error))
        return above, 1 - above


def crossed(values: np.ndarray, level: float = 0.95) -> Crossed:
    """Mean of a number that every picture has with every random network; both were drawn, and both could be others.

    Between networks it differs more than between pictures, often: with one network the interval over pictures is that network's
    alone. The variance of the mean is the sum of both parts, less what they share (Clark 1973, J. Verb. Learn. Verb. Behav. 12,
    335), its degrees of freedom those of Satterthwaite (1946, Biometrics Bulletin 2, 110).

    Args:
        values: (N, R) float; a picture without a number for some network is left out.
        level: of confidence.
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values).all(axis=1)] if values.shape[1] else values[:0]
    count, networks = values.shape
    if not count:
        return Crossed(_NOTHING, np.nan, np.nan, networks, np.nan, np.nan)
    mean = float(values.mean())
    if count < 2 or networks < 2:
        return Crossed(Interval(mean, -np.inf, np.inf, count), np.nan, np.nan, networks, np.nan, np.nan)
    rows, columns = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    pictures, nets = float(rows.var(ddof=1) / count), float(columns.var(ddof=1) / networks)
    rest = float(((values - rows - columns + mean) ** 2).sum() / ((count - 1) * (networks - 1)) / (count * networks))
    variance = max(pictures, nets, pictures + nets - rest)
    error = float(np.sqrt(variance))
    # Noise of the arithmetic is no spread: equal values would differ in the last digit.
    if error <= 1e-12 * max(1.0, abs(mean)):
        return Crossed(Interval(mean, mean, mean, count), 0.0, np.inf, networks, 0.0, 0.0)
    parts = pictures**2 / (count - 1) + nets**2 / (networks - 1) + rest**2 / ((count - 1) * (networks - 1))
    freedom = variance**2 / parts
    half = float(stdtrit(freedom, (1 + level) / 2)) * error
    return Crossed(
        Interval(mean, mean - half, mean + half, count), error, freedom, networks, np.sqrt(pictures), np.sqrt(nets)
    )
