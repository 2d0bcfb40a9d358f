"""From the canvas to the picture: averaging, part masks, and the trimap."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SUPERSAMPLING = 2  # the canvas has this many pixels a final pixel, and masks as many again a canvas pixel


def shrink(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The canvas (2 s, 2 s, 3) averaged to the final size (s, s, 3)."""
    rows = picture[0::2] + picture[1::2]
    return (rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25)


def shrink_parts(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The most frequent part of every 2 x 2 block, the one in front where two tie: (2 s, 2 s) to (s, s), uint8."""
    four = np.sort(np.stack([parts[i::2, j::2] for i in (0, 1) for j in (0, 1)]), axis=0)
    # Sorted, a part that fills two places or more is the middle pair, or one of the outer pairs.
    return np.where(
        four[1] == four[2],
        four[1],
        np.where(four[2] == four[3], four[3], np.where(four[0] == four[1], four[0], four[3])),
    )


def trimap_of(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The Oxford-pet trimap of a part mask: 1 animal, 2 background, 3 the border between them, uint8 (h, w)."""
    animal = Image.fromarray((parts > 0).astype(np.uint8) * 255)
    reach = 2 * max(1, round(max(parts.shape) / 128)) + 1
    inner = np.asarray(animal.filter(ImageFilter.MinFilter(reach)))
    outer = np.asarray(animal.filter(ImageFilter.MaxFilter(reach)))
    trimap = np.full(parts.shape, 3, dtype=np.uint8)
    trimap[inner > 0] = 1
    trimap[outer == 0] = 2
    return trimap
