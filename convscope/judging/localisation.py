"""Does a map point at what is there to see: pointing game and energy inside part masks."""

from collections.abc import Sequence

import numpy as np

from convscope.images import fit_image

# Names of mask values that do not belong to the object; "border" (of a trimap) is neither inside nor outside.
_OUTSIDE = ("", "background")
_IGNORED = "border"


def pointing_game(heat: np.ndarray, mask: np.ndarray, tolerance: int = 0) -> float:
    """Whether the map's maximum lies inside the mask (Zhang et al. 2016, 1608.00507).

    A plateau of several maxima counts by its share inside the mask: any rule that picks one of them would reward its own
    habit (argmax takes the first, in the corner). A constant map points nowhere and is a miss.

    Args:
        heat: (H, W) float.
        mask: (H, W) bool.
        tolerance: pixels by which the mask is widened (the paper's 15 are for photos of about 500).

    Returns:
        0.0 (miss) to 1.0 (hit).
    """
    top = heat.max()
    if not np.isfinite(top) or top <= heat.min():
        return 0.0
    return float(_widened(mask, tolerance)[heat == top].mean())


def energy_inside(heat: np.ndarray, mask: np.ndarray) -> float:
    """Share of the map's positive values that lies inside the mask, 0..1 (the energy-based pointing game of 1910.01279).

    A constant positive map gets the mask's area, which is chance; a map without positive values has no energy: 0.
    """
    positive = np.maximum(np.asarray(heat, np.float64), 0)
    total = positive.sum()
    return float((positive * mask).sum() / total) if total > 0 else 0.0


def chance(mask: np.ndarray, tolerance: int = 0) -> float:
    """What a map that knows nothing gets on average, 0..1.

    From `energy_inside` the mask's area; from `pointing_game` the share of the positions that count as a hit, which
    is larger with a `tolerance`: whatever lies that near to the mask.
    """
    return float(_widened(mask, tolerance).mean())


def fit_mask(mask: np.ndarray, size: tuple[int, int], resize: str) -> np.ndarray:
    """Bring a part mask to a network's input as its picture is brought there: crop, stretch or pad alike.

    Args:
        mask: (H, W) uint8, part numbers; 0 is background.
        size: (height, width) wanted.
        resize: as in `images.fit_image`; padding is background.

    Returns:
        (height, width) uint8: at every pixel the part that covers most of it.
    """
    if mask.shape == tuple(size):
        return mask.copy()
    values = np.unique(mask)
    # Interpolating part numbers would invent parts between two others: each part is resized as a picture of its own.
    cover = [
        fit_image(np.repeat(np.uint8(255) * (mask == v)[..., None], 3, axis=2), size, resize)[..., 0] for v in values
    ]
    largest = np.argmax(np.stack(cover), axis=0)
    return np.where(np.max(cover, axis=0) > 0, values[largest], 0).astype(np.uint8)


def part_masks(mask: np.ndarray, parts: Sequence[str]) -> dict[str, np.ndarray]:
    """The regions of a part mask by name: `object` (all parts together) and every part that is visible.

    Args:
        mask: (H, W) uint8; without names every value above 0 belongs to the object.
        parts: names of the values; "background" (and 0) is outside, a trimap's "border" is in no region.
    """
    names = {int(v): parts[v] if v < len(parts) else "" for v in np.unique(mask) if v > 0}
    if not parts:
        return {"object": mask > 0}
    inside = {v: name for v, name in names.items() if name not in (*_OUTSIDE, _IGNORED)}
    regions = {"object": np.isin(mask, list(inside))}
    for value, name in inside.items():
        regions[name] = regions.get(name, np.zeros(mask.shape, bool)) | (mask == value)
    return {name: region for name, region in regions.items() if region.any()}


def _widened(mask: np.ndarray, tolerance: int) -> np.ndarray:
    mask = np.asarray(mask, bool)
    if tolerance <= 0:
        return mask
    from scipy.ndimage import distance_transform_edt

    return mask | (distance_transform_edt(~mask) <= tolerance) if mask.any() else mask
