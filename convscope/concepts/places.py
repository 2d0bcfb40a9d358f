"""Where in the picture a pixel is."""

import numpy as np
from numpy.typing import NDArray

# Of the shorter side, at least a pixel.
BORDER = 1 / 16


def place_masks(size: tuple[int, int]) -> NDArray[np.bool_]:
    """The places of a picture, in the order of `names.PLACES`: (6, H, W) bool.

    Top and bottom are the upper and the lower third, left and right the outer thirds of the width, centre is what lies in the
    middle third both ways, and border the pixels nearer to the edge than a sixteenth of the shorter side. Thirds are told by the
    middle of a pixel. They are there to find out a unit that fires where a network pads its maps, whatever the picture shows.

    Args:
        size: (height, width) of the picture, without what was added to make it square.
    """
    height, width = size
    # Whole numbers, in sixths of a pixel: the middle of row y is 2 y + 1 halves.
    down, right = (np.arange(side) * 2 + 1 for side in size)
    top, bottom = down * 3 < 2 * height, down * 3 > 4 * height
    left, right_third = right * 3 < 2 * width, right * 3 > 4 * width
    near = max(round(min(size) * BORDER), 1)
    rows, columns = (np.minimum(np.arange(side), np.arange(side)[::-1]) < near for side in size)
    everywhere = np.ones(size, bool)
    return np.stack(
        [
            everywhere & top[:, None],
            everywhere & bottom[:, None],
            everywhere & left[None],
            everywhere & right_third[None],
            ~(top | bottom)[:, None] & ~(left | right_third)[None],
            rows[:, None] | columns[None],
        ]
    )
