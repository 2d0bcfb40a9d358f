"""Confidence intervals by resampling the images."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval over `count` images; all NaN where there are none."""

    mean: float
    low: float
    high: float
    count: int


def interval(values: np.ndarray, seed: int = 0, resamples: int = RESAMPLES, level: float = 0.95) -> Interval:
    """Percentile bootstrap of the mean over images; NaN (undefined for that image) is left out.

    Args:
        values: (N,) a number an image. For a paired comparison, the differences.
        seed: the same seed and values give the same interval.
        resamples: draws of N images with replacement.
        level: of confidence.
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    count = len(values)
    if not count:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    draws = np.random.default_rng([seed, count]).integers(0, count, (resamples, count))
    low, high = np.quantile(values[draws].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), count)
