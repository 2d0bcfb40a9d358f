"""Pictures of a result on one sheet, at a size that can be looked at whatever the model's input is."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from convscope.pictures.contact_sheets import contact_sheet
from convscope.pictures.render import SMALL

# Height of a picture, pixels: of one among others as on the workflow's sheets of larger inputs, and of a single one.
_SIDE, _SINGLE = 160, 240
_PICTURES_A_ROW = 9
# A caption needs so many pixels to be read, not spelt.
_NARROW = 240


def cells_sheet(rows: Sequence[Sequence[np.ndarray]], captions: Sequence[str]) -> np.ndarray:
    """Cells of pictures side by side, each with its caption below, as many a row as nine pictures allow.

    Args:
        rows: for each cell its pictures, (H, W, 3) uint8, all of one size and as many in each cell.
        captions: one a cell.

    Returns:
        (H, W, 3) uint8.
    """
    count = len(rows[0])
    height, width = rows[0][0].shape[:2]
    side = _SIDE if len(rows) > 1 or count > 3 else _SINGLE
    cell = (side, round(count * side * width / height))
    joined = [np.concatenate(list(pictures), axis=1) for pictures in rows]
    if max(height, width) < SMALL:
        zoom = max(side // height, 1)
        cell = (zoom * height, count * zoom * width)
        joined = [picture.repeat(zoom, axis=0).repeat(zoom, axis=1) for picture in joined]
    return contact_sheet(joined, max(_PICTURES_A_ROW // count, 1), cell, captions, margin=8)


def with_caption(picture: np.ndarray, caption: str) -> np.ndarray:
    """A picture, its caption below: (H, W, 3) uint8 -> (H', W', 3) uint8; a small one is enlarged by a whole factor."""
    zoom = max(_NARROW // picture.shape[1], 1)
    large = np.repeat(np.repeat(picture, zoom, axis=0), zoom, axis=1)
    return contact_sheet([large], 1, (large.shape[0], max(large.shape[1], _NARROW)), [caption], margin=8)


def png(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 as the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
