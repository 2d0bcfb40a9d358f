"""How concentrated a map is."""

import numpy as np


def gini(heat: np.ndarray) -> float:
    """Gini index of the absolute values (Chalasani et al. 2018, 1810.06583).

    0 for a flat map, `(n - 1) / n` for a single pixel of n; NaN for a map of zeros, which has nothing to distribute.
    """
    values = np.sort(np.abs(np.asarray(heat, np.float64)).ravel())
    total = values.sum()
    if not total > 0:
        return float("nan")
    count = values.size
    return float(((2 * np.arange(1, count + 1) - count - 1) * values).sum() / (count * total))
