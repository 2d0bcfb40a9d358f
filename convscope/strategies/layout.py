"""A map of pictures: those whose heatmaps are alike lie side by side (t-SNE, van der Maaten and Hinton 2008, as SpRAy has it)."""

import numpy as np
from numpy.typing import NDArray

_AMONG, _BLOCK = 3, 512


def layout(points: np.ndarray, seed: int, most: int = 1000) -> NDArray[np.float32]:
    """Places in a square: (n, d) -> (n, 2), 0..1. The same maps and seed give the same places.

    At most so many maps, spread over all, are laid out (a thousand take five seconds); the others lie among their nearest ones.
    """
    count = len(points)
    if count < 5:
        return np.stack([(np.arange(count) + 0.5) / max(count, 1), np.full(count, 0.5)], axis=1).astype(np.float32)
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    # Values around 1: t-SNE's first step is as long as its start is wide.
    scaled = np.asarray(points, np.float64) / (float(np.std(points)) or 1.0)
    places = np.empty((count, 2))
    places[chosen] = _embedded(scaled[chosen], seed)
    others = np.setdiff1d(np.arange(count), chosen)
    squares = (scaled[chosen] ** 2).sum(axis=1)
    for start in range(0, len(others), _BLOCK):
        rows = others[start : start + _BLOCK]
        near = np.argsort(squares - 2 * scaled[rows] @ scaled[chosen].T, axis=1, kind="stable")[:, :_AMONG]
        places[rows] = places[chosen][near].mean(axis=1)
    low, high = places.min(axis=0), places.max(axis=0)
    return ((places - low) / np.maximum(high - low, np.finfo(float).tiny)).astype(np.float32)


def _embedded(points: np.ndarray, seed: int) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    if np.ptp(points, axis=0).max() == 0:
        return np.zeros((len(points), 2))
    neighbours = min(30.0, (len(points) - 1) / 3)
    model = TSNE(perplexity=neighbours, init="pca", random_state=seed % 2**32, max_iter=500, n_jobs=1)
    return np.asarray(model.fit_transform(points), np.float64)
