"""Does a map point at what is there to see: pointing game and energy inside part masks.

A mask is (H, W) bool. It may be a masked array (`numpy.ma`): what is masked, a trimap's border, is neither inside nor outside,
and a map's values there count for nothing.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from convscope.data.masks import WHITE, unnamed_numbers
from convscope.pictures.read import fit_image

# Names of mask values that do not belong to the object; "border" (of a trimap) is neither inside nor outside.
_OUTSIDE = ("", "background")
_IGNORED = "border"


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


def fit_mask(mask: np.ndarray, size: tuple[int, int], resize: str) -> np.ndarray:
    """Bring a part mask to a network's input as its picture is brought there: crop, stretch or pad alike.

    Args:
        mask: (H, W) uint8, part numbers; 0 is background.
        size: (height, width) wanted.
        resize: as in `pictures.read.fit_image`; padding is background.

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


def part_masks(mask: np.ndarray, parts: Sequence[str], numbers: Iterable[int] = ()) -> dict[str, np.ndarray]:
    """The regions of a part mask by name: `object` (all parts together) and every part that is visible.

    Args:
        mask: (H, W) uint8; without names every value above 0 belongs to the object.
        parts: names of the values; "background" (and 0) is outside, a trimap's "border" neither inside nor outside. Of a mask in
            black and white (0 and 255) white is the object; beside other values an unnamed 255 is a border (Pascal VOC).
        numbers: those that the mask held before it was made smaller: a small object may be gone, and its border is none.

    Returns:
        Name -> (H, W) bool; where there is a border, masked arrays without it.

    Raises:
        ValueError: a value without a name (see `masks.check_mask`).
    """
    if not parts:
        return {"object": mask > 0} if (mask > 0).any() else {}
    if unnamed := unnamed_numbers(mask, parts):
        raise ValueError(f"a mask holds the number {unnamed[0]} and {len(parts)} have names")
    held = sorted({int(v) for v in (*np.unique(mask), *numbers) if v > 0})
    names = {v: parts[v] if v < len(parts) else _IGNORED for v in held}
    if list(names) == [WHITE] and len(parts) <= WHITE:
        # Black and white: there is one part, and it has its name where only one is given.
        given = list(dict.fromkeys(name for name in parts[1:] if name not in (*_OUTSIDE, _IGNORED)))
        names = {WHITE: given[0] if len(given) == 1 else "object"}
    inside = {v: name for v, name in names.items() if name not in (*_OUTSIDE, _IGNORED)}
    regions = {"object": np.isin(mask, list(inside))}
    for value, name in inside.items():
        regions[name] = regions.get(name, np.zeros(mask.shape, bool)) | (mask == value)
    ignored = np.isin(mask, [v for v, name in names.items() if name == _IGNORED])
    seen = {name: region for name, region in regions.items() if region.any()}
    return {name: np.ma.array(region, mask=ignored) for name, region in seen.items()} if ignored.any() else seen


def _widened(mask: np.ndarray, tolerance: int) -> np.ndarray:
    mask = np.asarray(mask, bool)
    if tolerance <= 0:
        return mask
    from scipy.ndimage import distance_transform_edt

    return mask | (distance_transform_edt(~mask) <= tolerance) if mask.any() else mask
