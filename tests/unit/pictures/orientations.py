"""The eight ways in which EXIF says that a picture lies."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def lying(photo: NDArray[np.uint8], orientation: int) -> tuple[NDArray[np.uint8], Image.Exif]:
    """A picture as a camera that was held so stores it, and the EXIF beside it that says so: (H, W, 3) -> the same or (W, H, 3)."""
    stored = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.transpose(1, 0, 2),
        6: np.rot90(photo, 1),
        7: np.rot90(photo, 2).transpose(1, 0, 2),
        8: np.rot90(photo, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return np.ascontiguousarray(stored), exif
