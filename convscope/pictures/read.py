"""Reading pictures of every kind as RGB, and fitting them to a network's input: the same pixels in every step.

Sizes are (height, width) everywhere in this library; only the lines that talk to PIL turn them round.
"""

import hashlib
import io
import os
import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convscope.errors import BadImage, UserError
from convscope.pictures.formats import open_picture
from convscope.pictures.window import of_listed

RESIZE_CHOICES = ("crop", "stretch", "pad")
MAX_PIXELS = 100_000_000

# The one filter. PIL's bilinear widens its support when shrinking, so small pictures do not alias.
_FILTER = Image.Resampling.BILINEAR
_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS, sha256: str = "") -> NDArray[np.uint8]:
    """Read a picture as RGB.

    The EXIF orientation is applied, transparency is laid over white, CMYK and palettes are converted, 16-bit gray is
    scaled (not clipped), an animation gives its first frame. Colour profiles are ignored. Gray in 32-bit integers is taken
    for 8 bits where all of it lies in 0..255, for 16 bits up to 65535, and refused beyond; a window takes any numbers.

    Args:
        path: a file of one of the formats of `formats.NAMES`; its content counts, not its name.
        max_pixels: larger pictures are refused by their header, before anything is decoded. PIL refuses anything
            above 178 million pixels by itself.
        sha256: first digits of what the file held when it was listed, perhaps with the window that it is read through (see
            `window.listed_as`); nothing is checked where there are none.

    Returns:
        uint8 (H, W, 3), 0..255, RGB.

    Raises:
        BadImage: the file cannot be read as a picture; the text is the reason, without the path.
        UserError: it is no longer the file that was listed.
    """
    path = Path(path)
    digest, window = of_listed(sha256)
    try:
        with path.open("rb") as opened:
            # What is checked and what is decoded are the same bytes, whoever writes to the file meanwhile.
            stream: IO[bytes] = io.BytesIO(opened.read()) if digest else opened
            if digest and not hashlib.sha256(stream.getbuffer()).hexdigest().startswith(digest):  # type: ignore[attr-defined]
                raise UserError(f"{path}: the picture is not the one that was listed; run again, and it is listed anew")
            with open_picture(stream, max_pixels, path.name, window) as picture:
                return rgb_pixels(picture)
    except (BadImage, UserError):
        raise
    except UnidentifiedImageError:
        raise BadImage("damaged: what follows its first bytes is no picture") from None
    except FileNotFoundError:
        raise BadImage("no such file") from None
    except IsADirectoryError:
        raise BadImage("a folder, not a file") from None
    except PermissionError:
        raise BadImage("no permission to read it") from None
    except Image.DecompressionBombError:
        raise BadImage(f"too large: more pixels than PIL decodes safely, the limit is {max_pixels}") from None
    except MemoryError:
        raise BadImage("too large for the memory of this machine") from None
    except Exception as error:
        # Decoders of so many formats raise anything on damaged files; whatever it is, this one picture is bad and no more.
        reason = " ".join(str(error).split()).replace(str(path), path.name) or type(error).__name__
        raise BadImage(f"damaged: {reason}") from None


def rgb_pixels(picture: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an open picture as `read_image` gives them: upright, without transparency, RGB.

    Returns:
        uint8 (H, W, 3), 0..255.

    Raises:
        BadImage: floating-point or 32-bit pixels whose range is unknown.
    """
    return np.array(_upright(_to_rgb(picture), _orientation(picture)), dtype=np.uint8)


def fit_image(image: NDArray[np.uint8], size: tuple[int, int], resize: str = "crop") -> NDArray[np.uint8]:
    """Resize a picture with the library's one filter (PIL bilinear, antialiased).

    Args:
        image: uint8 (H, W, 3).
        size: (height, width) wanted.
        resize: "crop" cuts the centre to the wanted shape first, "stretch" ignores the shape, "pad" keeps the whole
            picture and fills up with black.

    Returns:
        uint8 (height, width, 3), a new array.
    """
    height, width = image.shape[:2]
    to_height, to_width = size
    if resize not in RESIZE_CHOICES:
        raise ValueError(f"resize is '{resize}', not one of {', '.join(RESIZE_CHOICES)}")
    if (height, width) == (to_height, to_width):
        return image.copy()
    picture = Image.fromarray(image)
    if resize == "stretch":
        return np.array(picture.resize((to_width, to_height), _FILTER))
    if resize == "crop":
        # The box is not rounded to pixels: the crop and the resize are one operation.
        scale = min(height / to_height, width / to_width)
        top, left = (height - scale * to_height) / 2, (width - scale * to_width) / 2
        box = (max(left, 0.0), max(top, 0.0), min(width - left, float(width)), min(height - top, float(height)))
        return np.array(picture.resize((to_width, to_height), _FILTER, box=box))
    scale = min(to_height / height, to_width / width)
    inner_height = min(max(round(height * scale), 1), to_height)
    inner_width = min(max(round(width * scale), 1), to_width)
    top, left = (to_height - inner_height) // 2, (to_width - inner_width) // 2
    padded = np.zeros((to_height, to_width, 3), np.uint8)
    padded[top : top + inner_height, left : left + inner_width] = np.asarray(
        picture.resize((inner_width, inner_height), _FILTER)
    )
    return padded


def load_images(
    paths: Sequence[str | os.PathLike[str]],
    size: tuple[int, int],
    resize: str = "crop",
    threads: int = 1,
    digests: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Read and fit many pictures.

    Args:
        paths, size, resize: as in `read_image` and `fit_image`.
        threads: pictures decoded at a time.
        digests: the SHA-256 of each, or its first digits, as they were listed; none are checked where it is empty.

    Returns:
        uint8 (N, height, width, 3) in the order of `paths`.

    Raises:
        BadImage: one of them cannot be read; the text names it.
        UserError: one of them is no longer the file that was listed.
    """
    batch = np.zeros((len(paths), *size, 3), np.uint8)

    def load(index: int) -> None:
        try:
            listed = digests[index] if digests else ""
            batch[index] = fit_image(read_image(paths[index], sha256=listed), size, resize)
        except BadImage as error:
            raise BadImage(f"{paths[index]}: {error}") from None

    if digests and len(digests) != len(paths):
        raise ValueError(f"{len(digests)} digests for {len(paths)} pictures")
    if threads <= 1 or len(paths) < 2:
        for index in range(len(paths)):
            load(index)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(load, range(len(paths))))
    return batch


def load_rows(
    rows: Sequence[Mapping[str, str]], size: tuple[int, int], resize: str = "crop", threads: int = 1
) -> NDArray[np.uint8]:
    """The pictures of a table's rows (`path`, `sha256`), read and fitted, each checked to be the one that was listed."""
    return load_images([row["path"] for row in rows], size, resize, threads, [row["sha256"] for row in rows])


def _to_rgb(picture: Image.Image) -> Image.Image:
    mode = picture.mode
    if mode == "RGB" and "transparency" not in picture.info:
        return picture
    if mode.startswith("I"):
        # A PNG has no more than 16 bits, whatever PIL holds them in.
        return _from_integers(np.asarray(picture), wide=mode == "I" and picture.format != "PNG")
    if mode == "F":
        raise BadImage("floating-point pixels, whose range is unknown; give the dataset window: [black, white]")
    if mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in picture.info:
        opaque = picture.convert("LA").convert("RGBA") if mode == "La" else picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, (255, 255, 255, 255)), opaque).convert("RGB")
    return picture.convert("RGB")


def _from_integers(values: NDArray[np.generic], wide: bool) -> Image.Image:
    # PIL's own conversion clips 16-bit gray at 255, which turns nearly everything white.
    pixels = values.astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise BadImage("32-bit integer pixels, whose range is unknown; give the dataset window: [black, white]")
    # Bytes that some program kept in 32-bit integers; as 16-bit gray they would all be black.
    if not wide or pixels.max() > 255:
        pixels = (pixels + 128) // 257
    return Image.fromarray(pixels.astype(np.uint8)).convert("RGB")


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION_TAG, 1)
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error):
        return 1  # a damaged EXIF block beside sound pixels
    return value if isinstance(value, int) else 1


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    operation = _ORIENTATIONS.get(orientation)
    return picture if operation is None else picture.transpose(operation)
