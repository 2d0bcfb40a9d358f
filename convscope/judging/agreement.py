"""How alike two maps are, and how far the methods agree with each other."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation of two maps of one shape, -1..1; ties get their mean rank.

    A constant map and another are not alike (0): an explanation that has become empty has changed, and must not drop out of
    the count. Two constant ones say nothing, and so nothing of their likeness: NaN.
    """
    a, b = np.asarray(first).ravel(), np.asarray(second).ravel()
    flat = is_constant(a), is_constant(b)
    if any(flat):
        return float("nan") if all(flat) else 0.0
    x, y = (values - values.mean() for values in map(_ranks, (a, b)))
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1, 1))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, float64; ties get their mean. SciPy 1.18 ranks float32 in float32, in which sums over a map lose digits."""
    return np.asarray(rankdata(values), np.float64)


def is_constant(heat: np.ndarray) -> bool:
    """Whether a map has one value everywhere: it points at nothing."""
    return bool(np.max(heat) == np.min(heat))


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Structural similarity of two maps as they would be shown: each scaled to 0..1, clipped at its 99th percentile.

    (H, W) float each. A side below 7 pixels gets a smaller window. Constant maps as in `spearman`.
    """
    from skimage.metrics import structural_similarity

    flat = is_constant(first), is_constant(second)
    if any(flat):
        return float("nan") if all(flat) else 0.0
    window = min(7, *first.shape)
    window -= 1 - window % 2
    return float(structural_similarity(_shown(first), _shown(second), data_range=1.0, win_size=window))


def _shown(heat: np.ndarray) -> np.ndarray:
    heat = np.asarray(heat, np.float64)
    low, high = heat.min(), np.percentile(heat, 99)
    high = high if high > low else heat.max()
    return np.clip((heat - low) / (high - low), 0, 1)


def agreement_matrix(maps: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mean over the images of the Spearman correlation between every two methods.

    Args:
        maps: method -> (N, H, W), the same images at the same resolution.

    Returns:
        (methods, methods) float64, symmetric, in the order of `maps`; a picture for which both maps are constant is left out,
        and NaN is what no picture tells.
    """
    names = list(maps)
    result = np.full((len(names), len(names)), np.nan)
    ranked = {name: [_centred_ranks(heat) for heat in maps[name]] for name in names}
    for i, first in enumerate(names):
        for j, second in enumerate(names[: i + 1]):
            pairs = [_correlation(a, b) for a, b in zip(ranked[first], ranked[second], strict=True)]
            known = [value for value in pairs if np.isfinite(value)]
            result[i, j] = result[j, i] = np.mean(known) if known else np.nan
    return result


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`spearman` of every map of one set with every map of another: (N, H, W), (M, H, W) -> (N, M) float64."""
    rows, columns = ([_centred_ranks(heat) for heat in maps] for maps in (first, second))
    return np.array([[_correlation(a, b) for b in columns] for a in rows], np.float64).reshape(len(rows), len(columns))


def _centred_ranks(heat: np.ndarray) -> np.ndarray | None:
    values = np.asarray(heat).ravel()
    if is_constant(values):
        return None
    ranks = _ranks(values)
    ranks -= ranks.mean()
    return ranks / np.sqrt(ranks @ ranks)


def _correlation(a: np.ndarray | None, b: np.ndarray | None) -> float:
    if a is None or b is None:
        return float("nan") if a is b else 0.0
    return float(np.clip(a @ b, -1, 1))
