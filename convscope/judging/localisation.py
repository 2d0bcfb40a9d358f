"""Does a map point at what is there to see: pointing game and energy inside part masks.

A mask is (H, W) bool. It may be a masked array (`numpy.ma`): what is masked, a trimap's border, is neither inside nor outside,
and a map's values there count for nothing.
"""

import numpy as np


def _inside_and_seen(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the mask is, and where it says anything: two (H, W) bool."""
    seen = ~np.ma.getmaskarray(mask)
    return np.asarray(np.ma.getdata(mask), bool) & seen, seen


def pointing_game(heat: np.ndarray, mask: np.ndarray, tolerance: int = 0) -> float:
    """Whether the map's maximum lies inside the mask (Zhang et al. 2016, 1608.00507).

    A plateau of several maxima counts by its share inside the mask: any rule that picks one of them would reward its own
    habit (argmax takes the first, in the corner). A constant map points nowhere and is a miss.

    Args:
        heat: (H, W) float.
        mask: (H, W) bool, see above.
        tolerance: pixels by which the mask is widened (the paper's 15 are for photos of about 500).

    Returns:
        0.0 (miss) to 1.0 (hit).
    """
    inside, seen = _inside_and_seen(mask)
    heat = np.asarray(heat)
    counted = heat[seen]
    top = counted.max(initial=-np.inf)
    if not np.isfinite(top) or top <= counted.min():
        return 0.0
    return float(_widened(inside, tolerance)[seen & (heat == top)].mean())


def energy_inside(heat: np.ndarray, mask: np.ndarray) -> float:
    """Share of the map's positive values that lies inside the mask, 0..1 (the energy-based pointing game of 1910.01279).

    A constant positive map gets the mask's area, which is chance; a map without positive values has no energy: 0.
    """
    inside, seen = _inside_and_seen(mask)
    positive = np.maximum(np.asarray(heat, np.float64), 0)
    total = positive[seen].sum()
    return float(positive[inside].sum() / total) if total > 0 else 0.0


def chance(mask: np.ndarray, tolerance: int = 0) -> float:
    """What a map that knows nothing gets on average, 0..1.

    From `energy_inside` the mask's area; from `pointing_game` the share of the positions that count as a hit, which
    is larger with a `tolerance`: whatever lies that near to the mask.
    """
    inside, seen = _inside_and_seen(mask)
    return float(_widened(inside, tolerance)[seen].mean()) if seen.any() else 0.0


def _widened(mask: np.ndarray, tolerance: int) -> np.ndarray:
    mask = np.asarray(mask, bool)
    if tolerance <= 0:
        return mask
    from scipy.ndimage import distance_transform_edt

    return mask | (distance_transform_edt(~mask) <= tolerance) if mask.any() else mask
