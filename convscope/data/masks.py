"""Part masks as they lie on disk: PNG files of many kinds, read as one number a pixel, and checked against their picture."""

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convscope.errors import BadImage, ChangedFile, UserError
from convscope.pictures.formats import open_picture
from convscope.pictures.read import MAX_PIXELS, said_by_decoder

# In a mask of one part alone this number, white, is the part whatever its name's place in the list; beside other parts it
# is what the Pascal VOC masks keep it for: an outline that belongs to nothing.
WHITE = 255


def read_mask(path: str | os.PathLike[str], named: bool = True, sha256: str = "") -> NDArray[np.uint8]:
    """Read a part mask.

    A palette in colours (Pascal VOC, DAVIS) is there to be looked at: its indices are the parts. A palette of greys is what
    programs make of a grey mask to save space: its greys are. What is transparent is background. 16 bits may hold numbers
    up to 255, or black and white.

    Args:
        path: a PNG (or a file of another format of `pictures.formats`).
        named: whether the parts have names. A mask in colours, without a palette, has no numbers; without names whatever is not
            black belongs to the object.
        sha256: first digits of what the file held when it was listed; nothing is checked where they are empty.

    Returns:
        (H, W) uint8, part numbers; 0 is background.

    Raises:
        BadImage: it cannot be read, or its pixels are no part numbers; the text is the reason, without the path.
        UserError: it is no longer the file that was listed.
    """
    try:
        # What is checked and what is decoded are the same bytes, whoever writes to the file meanwhile.
        if Path(path).exists() and not Path(path).is_file():
            raise BadImage("no file")  # a pipe would be waited for
        content = Path(path).read_bytes()
        if not hashlib.sha256(content).hexdigest().startswith(sha256):
            raise ChangedFile(
                f"{path}: the mask is not the one that was listed; run again, and it is listed anew", path
            )
        with open_picture(io.BytesIO(content), MAX_PIXELS) as picture:
            return _numbers(picture, named)
    except (BadImage, UserError):
        raise
    except UnidentifiedImageError:
        raise BadImage("not a picture") from None
    except FileNotFoundError:
        raise BadImage("no such file") from None
    except Exception as error:
        # As in `pictures.read`: decoders raise anything on damage.
        raise BadImage(said_by_decoder(error)) from None


def check_mask(mask: np.ndarray, size: tuple[int, int], parts: Sequence[str]) -> None:
    """See that a mask fits its picture, that its numbers have names, and that without names there is a background.

    Args:
        mask: (H, W) part numbers.
        size: (height, width) of the picture. Either may be a smaller copy; the shape must be the same but for rounding.
        parts: names of the numbers; none where the parts have no names.

    Raises:
        BadImage: they do not; the text is the reason, without the path.
    """
    (height, width), (wanted_height, wanted_width) = mask.shape, size
    # One side of the smaller, computed from the other, may be off by a pixel.
    if abs(height * wanted_width - width * wanted_height) >= max(height, width, wanted_height, wanted_width):
        raise BadImage(
            f"{width}x{height} pixels, and its picture is {wanted_width}x{wanted_height}: another shape, so that it lies "
            "beside what it marks"
        )
    if not parts and mask.all():
        raise BadImage(
            "holds no 0, so that all of the picture would be the object; name its values in a parts.json, such as "
            "[none, animal, background, border] for a trimap"
        )
    unnamed = unnamed_numbers(mask, parts)
    if unnamed:
        raise BadImage(
            f"holds the number {unnamed[0]}, and parts.json names {len(parts)} numbers (0 to {len(parts) - 1}); add its name"
        )


def unnamed_numbers(mask: np.ndarray, parts: Sequence[str]) -> list[int]:
    """The numbers of a mask that mean nothing: beyond the names, and not `WHITE`; none where there are no names."""
    return [int(value) for value in np.unique(mask) if parts and value >= len(parts) and value != WHITE]


def _numbers(picture: Image.Image, named: bool) -> NDArray[np.uint8]:
    mode = picture.mode
    if mode == "P":
        numbers = _of_palette(picture)
        if "transparency" in picture.info:
            numbers = np.where(np.asarray(picture.convert("RGBA"))[..., 3] == 0, np.uint8(0), numbers)
        return numbers
    if mode.startswith("I"):
        return _of_integers(np.asarray(picture).astype(np.int64))
    if mode in ("1", "L") and "transparency" not in picture.info:
        return np.array(picture.convert("L"))
    pixels = np.asarray(picture.convert("RGBA"))
    colours = np.where(pixels[..., 3:] == 0, 0, pixels[..., :3])
    if (colours == colours[..., :1]).all():
        return np.ascontiguousarray(colours[..., 0])
    if named:
        raise BadImage(
            "in colours, which tell no part numbers; save it in greys or with a palette, a number for each part"
        )
    return np.where(colours.any(axis=2), WHITE, 0).astype(np.uint8)


def _of_palette(picture: Image.Image) -> NDArray[np.uint8]:
    indices = np.array(picture)
    colours = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    # All of them, not those of this picture alone: a car is grey in the palette of Pascal VOC.
    if (colours != colours[:, :1]).any() or indices.max() >= len(colours):
        return indices
    return np.take(colours[:, 0], indices)


def _of_integers(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    if values.min() >= 0 and values.max() <= 255:
        return values.astype(np.uint8)
    if len(np.unique(values)) <= 2 and values.min() == 0:
        return np.where(values > 0, WHITE, 0).astype(np.uint8)
    raise BadImage(f"numbers from {values.min()} to {values.max()}; parts are numbered from 0 to 255")
