"""Predicted masks as part masks: of the whole picture, not of what the network was given of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convscope.data.regions import BORDER


def part_names(classes: Sequence[str]) -> list[str]:
    """Names of the values of a mask that `in_the_picture` makes: the classes, and a border, which belongs to nothing."""
    return [*classes, *([] if BORDER in classes else [BORDER])]


def in_the_picture(
    predicted: np.ndarray, shape: tuple[int, int], resize: str, parts: Sequence[str]
) -> NDArray[np.uint8]:
    """A predicted mask in the size of its picture: what `pictures.read.fit_image` does to a picture, the other way round.

    Args:
        predicted: (h, w) classes of the pixels that the network was given.
        shape: (height, width) of the picture.
        resize: how the picture took the network's size. What "crop" cut off is border: nothing is known of it.
        parts: see `part_names`.

    Returns:
        (height, width) uint8, index of the part.
    """
    (height, width), (given_height, given_width) = shape, predicted.shape
    top = left = 0.0
    if resize == "crop":
        scale = min(height / given_height, width / given_width)
        down, across = scale, scale
        top, left = (height - scale * given_height) / 2, (width - scale * given_width) / 2
    elif resize == "pad":
        scale = min(given_height / height, given_width / width)
        inner = [min(max(round(side * scale), 1), most) for side, most in zip(shape, predicted.shape, strict=True)]
        down, across = height / inner[0], width / inner[1]
        top, left = -((given_height - inner[0]) // 2) * down, -((given_width - inner[1]) // 2) * across
    else:
        down, across = height / given_height, width / given_width
    rows = np.floor((np.arange(height) + 0.5 - top) / down).astype(int)
    columns = np.floor((np.arange(width) + 0.5 - left) / across).astype(int)
    inside = ((rows >= 0) & (rows < given_height))[:, None] & ((columns >= 0) & (columns < given_width))[None]
    found = predicted[np.clip(rows, 0, given_height - 1)][:, np.clip(columns, 0, given_width - 1)]
    return np.where(inside, found, list(parts).index(BORDER)).astype(np.uint8)
