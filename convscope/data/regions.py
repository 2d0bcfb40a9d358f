"""The regions of a part mask: brought to a network's size as its picture is, and told apart by name."""

from collections.abc import Iterable, Sequence

import numpy as np

from convscope.data.masks import WHITE, unnamed_numbers
from convscope.pictures.read import fit_image

# Names of mask values that do not belong to the object.
OUTSIDE = ("", "background")
# Of a trimap: neither inside nor outside.
BORDER = "border"


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
    names = names_of(mask, parts, numbers)
    inside = {v: name for v, name in names.items() if name not in (*OUTSIDE, BORDER)}
    regions = {"object": np.isin(mask, list(inside))}
    for value, name in inside.items():
        regions[name] = regions.get(name, np.zeros(mask.shape, bool)) | (mask == value)
    ignored = np.isin(mask, [v for v, name in names.items() if name == BORDER])
    seen = {name: region for name, region in regions.items() if region.any()}
    return {name: np.ma.array(region, mask=ignored) for name, region in seen.items()} if ignored.any() else seen


def names_of(mask: np.ndarray, parts: Sequence[str], numbers: Iterable[int] = ()) -> dict[int, str]:
    """What the numbers above 0 of a part mask are called: of black and white "object" (or the one part's name), of an unnamed 255
    beside others `BORDER`.

    Args:
        mask, parts, numbers: as in `part_masks`; there are names.

    Raises:
        ValueError: a value without a name.
    """
    if unnamed := unnamed_numbers(mask, parts):
        raise ValueError(f"a mask holds the number {unnamed[0]} and {len(parts)} have names")
    held = sorted({int(v) for v in (*np.unique(mask), *numbers) if v > 0})
    names = {v: parts[v] if v < len(parts) else BORDER for v in held}
    if list(names) == [WHITE] and len(parts) <= WHITE:
        # Black and white: there is one part, and it has its name where only one is given.
        given = list(dict.fromkeys(name for name in parts[1:] if name not in (*OUTSIDE, BORDER)))
        names = {WHITE: given[0] if len(given) == 1 else "object"}
    return names
