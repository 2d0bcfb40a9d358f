"""Numbers of any range as bytes: the window that a picture of 16 bits or of floating point is looked at through."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.errors import BadImage

Window = tuple[float, float]
_ORIENTATION_TAG = 0x0112
# A wider window is not meant for bytes.
_MOST_OF_BYTES = 510


def listed_as(digest: str, window: Window | None) -> str:
    """What a table of pictures says of one: the first 16 digits of its file's digest, and the window that it is read through.

    All that makes the pixels what they are, in one word: who hands it on to `read.read_image` forgets neither.
    """
    return digest[:16] + (f":{window[0]!r}:{window[1]!r}" if window else "")


def of_listed(word: str) -> tuple[str, Window | None]:
    """The digest's digits and the window of such a word."""
    digest, _, rest = word.partition(":")
    if not rest:
        return digest, None
    low, _, high = rest.partition(":")
    return digest, (float(low), float(high))


def through_window(picture: Image.Image, window: Window) -> Image.Image:
    """A decoded picture with its numbers spread from the window to 0..255; its orientation is kept, an alpha channel as it is.

    Returns:
        mode "L", or "RGB" or another of 8 bits where the picture has more channels than one.

    Raises:
        BadImage: it has 8 bits, and the window is one of more.
    """
    if picture.mode in ("P", "1", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    values = np.asarray(picture)
    if values.dtype == np.uint8 and window[1] - window[0] > _MOST_OF_BYTES:
        raise BadImage(
            f"8 bits, or read as 8: the window [{window[0]:g}, {window[1]:g}] would leave it next to black; keep such pictures in a "
            "dataset without window"
        )
    spread = bytes_between(values, *window)
    if picture.mode in ("LA", "RGBA", "La", "RGBa"):
        spread[..., -1] = values[..., -1]
    result = Image.fromarray(spread)
    try:
        orientation = picture.getexif().get(_ORIENTATION_TAG)
    except (OSError, SyntaxError, ValueError, LookupError, TypeError):
        orientation = None  # a damaged EXIF block beside sound pixels
    if orientation is not None:
        result.getexif()[_ORIENTATION_TAG] = orientation
    return result


def bytes_between(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Numbers as 0..255: `low` and less 0, `high` and more 255, what is no number 0; one step where the two are the same.

    Returns:
        uint8 of the same shape.
    """
    numbers = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):
        shares = (numbers - low) / (high - low) if high > low else (numbers > low).astype(np.float64)
        return np.round(np.nan_to_num(np.clip(shares, 0, 1)) * 255).astype(np.uint8)
