"""Is a mean difference more than chance? Signs flipped at random, many questions at once, and how many pictures answer one."""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

# One-sided: of 40 differences that are none, one is called "more" and one "less".
ALPHA = 0.025
POWER = 0.9
EXACT_BELOW = 15
DRAWS = 9999
# A sum that should be 0 is not quite: flipped sums this close to it, as a share of all magnitudes, count as equal.
_EQUAL = 1e-12
_AT_ONCE = 2_000_000
# Beyond this nobody makes so many pictures, and the spread is not known well enough to tell.
MANY = 1000


@lru_cache(maxsize=8)
def subsets(count: int) -> np.ndarray:
    """Which of `count` values are flipped: (B, count) float64 of 0 and 1.

    Below `EXACT_BELOW` values all subsets but the empty one, else `DRAWS` that are drawn, the same for every question.
    """
    if count < EXACT_BELOW:
        found = (np.arange(1, 2**count)[:, None] >> np.arange(count)) & 1
    else:
        found = np.random.default_rng([2026, count]).integers(0, 2, (DRAWS, count))
    chosen = found.astype(np.float64)
    chosen.setflags(write=False)
    return chosen


def in_order(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values in an order that is their own: drawn flips then answer alike however the pictures are listed.

    Turned round where their sum is negative, so that `p_values` of the opposite are the same ones, exchanged.

    Args:
        differences: (..., N) float64, finite.

    Returns:
        The values by size, (..., N), all signs turned where the sum is negative; and that sign, (...) of 1 and -1.
    """
    ranked = np.sort(differences, axis=-1)
    sign = np.where(ranked.sum(axis=-1) < 0, -1.0, 1.0)
    return np.sort(ranked * sign[..., None], axis=-1), sign


def p_values(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sign-flip (randomisation) test of a mean against 0, one-sided (Fisher 1935, "The design of experiments", 21).

    If the differences are as likely to have one sign as the other, each flip of signs gives a sum that was as likely as the
    one found: the p-value is the share of all flips whose sum is at least as large. Exact below `EXACT_BELOW` pictures; above,
    of drawn flips with the found one among them, so that it is never too small (Phipson & Smyth 2010, 1603.05766). It asks for
    no normal distribution, but for one that is symmetric around its mean; what skew does to it is in docs/judging.md. The order
    of the pictures does not matter.

    Args:
        differences: (..., N) float, finite.

    Returns:
        p of "the mean is above 0" and of "below 0", (...) float64 each, in 0 < p <= 1; 1 without pictures.
    """
    values = np.asarray(differences, np.float64)
    if not values.shape[-1]:
        return np.ones(values.shape[:-1]), np.ones(values.shape[:-1])
    flat, sign = in_order(values.reshape(-1, values.shape[-1]))
    chosen = subsets(flat.shape[1])
    more, less = np.empty(len(flat)), np.empty(len(flat))
    step = max(1, _AT_ONCE // len(chosen))
    for start in range(0, len(flat), step):
        part = flat[start : start + step]
        # With S flipped the sum is `sum - 2 sum_S`: at least the found one where sum_S is not above 0.
        sums = chosen @ part.T
        equal = nearly_zero(part)
        more[start : start + step] = (sums <= equal).sum(axis=0)
        less[start : start + step] = (sums >= -equal).sum(axis=0)
    more, less = np.where(sign > 0, more, less), np.where(sign > 0, less, more)
    shape, flips = values.shape[:-1], 1.0 + len(chosen)
    return (1 + more.reshape(shape)) / flips, (1 + less.reshape(shape)) / flips


def nearly_zero(differences: np.ndarray) -> np.ndarray:
    """How far from 0 a sum of some of the values may be and still be 0: (..., N) -> (...)."""
    return np.asarray(_EQUAL * np.abs(differences).sum(axis=-1))


def holm(p: np.ndarray) -> np.ndarray:
    """p-values adjusted for asking several questions at once (Holm 1979, Scand. J. Statist. 6, 65).

    Where the adjusted ones up to alpha are believed, the chance that any of them is wrong is alpha at most, however the
    questions hang together.

    Args:
        p: (..., K); NaN is no question and stays NaN.

    Returns:
        (..., K) float64, at most 1.
    """
    p = np.asarray(p, np.float64)
    order = np.argsort(p, axis=-1, kind="stable")  # NaN comes last
    ranked = np.take_along_axis(p, order, axis=-1)
    asked = np.isfinite(p).sum(axis=-1, keepdims=True)
    scaled = ranked * np.maximum(asked - np.arange(p.shape[-1]), 1)
    adjusted = np.where(np.isfinite(ranked), np.minimum(np.fmax.accumulate(scaled, axis=-1), 1), np.nan)
    result = np.empty_like(p)
    np.put_along_axis(result, order, adjusted, axis=-1)
    return result


def pictures_needed(effect: float, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """How many pictures show a mean difference of `effect` standard deviations with this power.

    `((z_(1-alpha) + z_power) / effect)^2 + z_(1-alpha)^2 / 2`, the one-sided t-test's number (Guenther 1981, Am. Stat. 35, 243),
    which the sign-flip test's follows closely, and never fewer than alpha leaves the exact test to answer with; one more than
    these where not even all signs alike are likely enough.

    Returns:
        None where it is more than `MANY`.
    """
    z = -float(ndtri(alpha))
    least = int(np.ceil(-np.log2(alpha)))
    if not abs(effect) > 0:
        return None
    found = max(least, int(np.ceil(((z + float(ndtri(power))) / abs(effect)) ** 2 + z**2 / 2)))
    if found == least and ndtr(abs(effect)) ** least < power:
        found += 1
    return found if found <= MANY else None


def effect_shown(count: int, alpha: float = ALPHA, power: float = POWER) -> float | None:
    """The least difference, in standard deviations, that `count` pictures show with this power; None where they show none."""
    z = -float(ndtri(alpha))
    if 0.5**count > alpha or count <= z**2 / 2:
        return None
    return float((z + float(ndtri(power))) / np.sqrt(count - z**2 / 2))


def effect_of(differences: np.ndarray) -> float:
    """Mean difference in standard deviations from picture to picture; infinite where it is the same for all, 0 where it is none."""
    values: Any = np.asarray(differences, np.float64)
    mean, spread = values.mean(), values.std(ddof=1) if len(values) > 1 else np.nan
    if not mean:
        return 0.0
    return float(mean / spread) if spread > 0 else float(np.sign(mean) * np.inf)
