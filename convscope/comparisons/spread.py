"""Is one architecture better than another, or were its seeds luckier? Accuracy over pictures and over trainings, both drawn."""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from scipy.special import stdtr, stdtrit

# All ways to deal the trainings to two models are tried up to so many.
_MOST_DEALS = 200_000


@dataclass(frozen=True)
class Difference:
    """How much better one model is than another on the same pictures, as a share of them.

    Attributes:
        mean: accuracy of the one less that of the other, -1..1.
        low, high: its 95 % interval; infinite where the spread is not known.
        between_pictures, between_trainings: its standard error as far as it is due to which pictures, and to which seeds, were drawn.
        p: of "the two are equally good", two-sided.
    """

    mean: float
    low: float
    high: float
    between_pictures: float
    between_trainings: float
    p: float


def difference(mine: np.ndarray, other: np.ndarray, level: float = 0.95) -> Difference:
    """Compare the trainings of two models, both tested on the same pictures.

    The mean of (N, R) answers varies with the N pictures, which both models share, and with the R trainings, which each has its own
    of. The variance of the difference is that of its means over pictures and those of both models over trainings, less what these
    have in common (Clark 1973, J. Verb. Learn. Verb. Behav. 12, 335); its degrees of freedom are those of Satterthwaite (1946,
    Biometrics Bulletin 2, 110), and p is the t-test's. It takes the means of trainings for normally distributed, which so few do
    not tell; `deals` does not.

    Args:
        mine, other: (N, R) and (N, S) of 1 (right) and 0 (wrong), one row a picture.
        level: of confidence.
    """
    mine, other = np.asarray(mine, np.float64), np.asarray(other, np.float64)
    mean = float(mine.mean() - other.mean())
    count = len(mine)
    if count < 2 or min(mine.shape[1], other.shape[1]) < 2:
        return Difference(mean, -np.inf, np.inf, np.nan, np.nan, 1.0)
    pictures = float((mine.mean(axis=1) - other.mean(axis=1)).var(ddof=1) / count)
    trainings, rests = zip(*(_by_training(values) for values in (mine, other)), strict=True)
    drawn = sum(trainings)
    variance = max(pictures, drawn, pictures + drawn - sum(rests))
    # Noise of the arithmetic is no spread.
    if variance <= 1e-24:
        # All pictures say the same, of which two would be certain to a t-test. To a test of their signs (see `signflip.p_values`)
        # they are as likely as all of the opposite, among 2^N.
        alike = 2.0 ** (1 - count)
        low, high = (mean, mean) if alike <= 1 - level else (-np.inf, np.inf)
        return Difference(mean, low, high, 0.0, 0.0, alike if mean else 1.0)
    parts = pictures**2 / (count - 1)
    for values, training, rest in zip((mine, other), trainings, rests, strict=True):
        runs = values.shape[1] - 1
        parts += training**2 / runs + rest**2 / (runs * (count - 1))
    freedom, error = variance**2 / parts, float(np.sqrt(variance))
    half = float(stdtrit(freedom, (1 + level) / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(mean) / error))
    return Difference(mean, mean - half, mean + half, float(np.sqrt(pictures)), float(np.sqrt(drawn)), p)


def _by_training(values: np.ndarray) -> tuple[float, float]:
    """Of (N, R) answers: the variance of their mean over trainings, and how much of it is chance at single pictures."""
    count, runs = values.shape
    rows, columns = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    rest = ((values - rows - columns + values.mean()) ** 2).sum() / ((count - 1) * (runs - 1)) / (count * runs)
    return float(columns.var(ddof=1) / runs), float(rest)


def deals(mine: np.ndarray, other: np.ndarray) -> float:
    """Exact permutation test of two models' accuracies, two-sided (Fisher 1935, "The design of experiments", 21).

    If both models were the same, each way to deal the trainings to the two would be as likely: p is the share of the deals
    whose difference is at least as large as the one found. It asks for no distribution, and knows nothing of the pictures. It is
    never below `least(R, S)`.

    Args:
        mine, other: (R,) and (S,) accuracies.

    Returns:
        p, 0 < p <= 1; NaN where there are too many deals to try.
    """
    together = np.concatenate([mine, other]).astype(np.float64)
    runs = len(mine)
    if comb(len(together), runs) > _MOST_DEALS:
        return float("nan")
    chosen = np.array(list(combinations(range(len(together)), runs)))
    sums = together[chosen].sum(axis=1)
    gaps = np.abs(sums / runs - (together.sum() - sums) / max(len(other), 1))
    return float((gaps >= gaps[0] - 1e-12).mean())


def least(runs: int, others: int) -> float:
    """The least p that `deals` can have: with as many trainings of both models, either of two deals is the most uneven one."""
    return (2 if runs == others else 1) / comb(runs + others, runs)
