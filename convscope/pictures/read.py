"""Reading pictures of every kind, and fitting them to a network's input: the same pixels in every step.

Sizes are (height, width) everywhere in this library; only the lines that talk to PIL turn them round.
"""

import hashlib
import io
import os
import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convscope.errors import BadImage, ChangedFile, UserError
from convscope.pictures import bands
from convscope.pictures.channels import RGB, Channels
from convscope.pictures.formats import open_picture
from convscope.pictures.window import Window, of_listed

RESIZE_CHOICES = ("crop", "stretch", "pad")
MAX_PIXELS = 100_000_000
_LONGEST_REASON = 200
# Bytes of a file that are kept from their check to their decoding.
_IN_MEMORY = 1 << 27

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
    """Read a picture as RGB: `read_pixels` for people, and for most networks.

    Returns:
        uint8 (H, W, 3), 0..255, RGB.
    """
    return read_pixels(path, RGB, max_pixels, sha256).astype(np.uint8, copy=False)


def read_pixels(
    path: str | os.PathLike[str], channels: Channels = RGB, max_pixels: int = MAX_PIXELS, sha256: str = ""
) -> NDArray[np.generic]:
    """Read the channels of a picture that a network takes.

    The EXIF orientation is applied, transparency is laid over white, CMYK and palettes are converted, 16-bit gray is
    scaled (not clipped), an animation gives its first frame. Colour profiles are ignored. Gray in 32-bit integers is taken
    for 8 bits where all of it lies in 0..255, for 16 bits up to 65535, and refused beyond; a window takes any numbers. Of a TIFF of
    more bands than PIL opens, the first three are RGB, or the first of two is gray. Gray is made of the RGB picture, ITU-R 601-2
    luma. Bands are the file's own numbers brought to 0..255 (`bands.in_range`), and nothing else is done to them.

    Args:
        path: a file of one of the formats of `kinds.NAMES`; its content counts, not its name.
        channels: which.
        max_pixels: larger pictures are refused by their header, before anything is decoded. PIL refuses anything
            above 178 million pixels by itself.
        sha256: first digits of what the file held when it was listed, perhaps with the window that it is read through (see
            `window.listed_as`); nothing is checked where there are none.

    Returns:
        (H, W, channels.depth), 0..255: uint8, or float32 where bands have more than 8 bits or a window.

    Raises:
        BadImage: the file cannot be read as a picture; the text is the reason, without the path, which is its `file`.
        UserError: it is no longer the file that was listed.
    """
    path = Path(path)
    digest, window = of_listed(sha256)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise BadImage("neither a file nor a folder")  # a pipe would be waited for, a device never end
        with path.open("rb") as opened:
            stream, is_listed = _checked(opened, digest) if digest else (opened, True)
            if not is_listed:
                raise ChangedFile(
                    f"{path}: the picture is not the one that was listed; run again, and it is listed anew", path
                )
            return _decoded(stream, channels, max_pixels, path.name, window)
    except UserError:
        raise
    except BadImage as error:
        error.file = error.file or path
        raise
    except UnidentifiedImageError:
        raise BadImage("damaged: what follows its first bytes is no picture", path) from None
    except FileNotFoundError:
        raise BadImage("no such file", path) from None
    except IsADirectoryError:
        raise BadImage("a folder, not a file", path) from None
    except PermissionError:
        raise BadImage("no permission to read it", path) from None
    except Image.DecompressionBombError:
        raise BadImage(f"too large: more pixels than PIL decodes safely, the limit is {max_pixels}", path) from None
    except MemoryError:
        raise BadImage("too large for the memory of this machine", path) from None
    except Exception as error:
        # Decoders of so many formats raise anything on damaged files; whatever it is, this one picture is bad and no more.
        raise BadImage(f"damaged: {said_by_decoder(error).replace(str(path), path.name)}", path) from None


def _checked(opened: IO[bytes], digest: str) -> tuple[IO[bytes], bool]:
    """What to decode of a file, and whether the digest of what it holds begins so.

    What is checked and what is decoded are the same bytes, whoever writes to the file meanwhile; but of a file that would fill the
    memory, of which a picture may be a small part only.
    """
    content = opened.read(_IN_MEMORY + 1)
    found = hashlib.sha256(content)
    if len(content) <= _IN_MEMORY:
        return io.BytesIO(content), found.hexdigest().startswith(digest)
    del content
    while block := opened.read(1 << 20):
        found.update(block)
    opened.seek(0)
    return opened, found.hexdigest().startswith(digest)


def said_by_decoder(error: Exception) -> str:
    """What a decoder says of a damaged file, in one line: some repeat all of its header."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]} ..."


def _decoded(
    stream: IO[bytes], channels: Channels, max_pixels: int, name: str, window: Window | None
) -> NDArray[np.generic]:
    if channels.kind == "bands" and bands.is_tiff(stream):
        try:
            values = bands.tiff_bands(stream, max_pixels)
        except bands.NeedsCodec as reason:
            # PIL knows more compressions, but of many bands it leaves some out without a word.
            stream.seek(0)
            try:
                with open_picture(stream, max_pixels, name) as picture:
                    if len(picture.getbands()) == reason.plain:
                        return pixels_of(picture, channels, window)
            except UnidentifiedImageError:
                pass
            raise
        return bands.in_range(bands.chosen(values, channels.bands), window)
    try:
        with open_picture(stream, max_pixels, name, None if channels.kind == "bands" else window) as picture:
            return pixels_of(picture, channels, window)
    except UnidentifiedImageError:
        if not bands.is_tiff(stream):
            raise
        # More bands, or other numbers, than PIL knows.
        return pixels_of(bands.as_picture(bands.tiff_bands(stream, max_pixels), window), channels)


def pixels_of(picture: Image.Image, channels: Channels = RGB, window: Window | None = None) -> NDArray[np.generic]:
    """The channels of an open picture as `read_pixels` gives them.

    Args:
        picture: decoded, seen through its window already where other than bands are asked for.
        channels: which.
        window: of bands.

    Raises:
        BadImage: floating-point or 32-bit pixels whose range is unknown, or fewer bands than are asked for.
    """
    if channels.kind == "bands":
        values = bands.in_range(bands.chosen(bands.picture_bands(picture), channels.bands), window)
        return bands.upright(values, _orientation(picture))
    read = _to_rgba(picture) if channels.kind == "rgba" else _to_rgb(picture)
    if channels.kind == "gray":
        read = read.convert("L")
    pixels = np.array(_upright(read, _orientation(picture)), dtype=np.uint8)
    return pixels[..., None] if channels.kind == "gray" else pixels


def fit_image(image: NDArray[Any], size: tuple[int, int], resize: str = "crop") -> NDArray[Any]:
    """Resize a picture with the library's one filter (PIL bilinear, antialiased), each channel by itself.

    Args:
        image: uint8 or float32 (H, W, C); a value of transparency is a channel like any other.
        size: (height, width) wanted.
        resize: "crop" cuts the centre to the wanted shape first, "stretch" ignores the shape, "pad" keeps the whole
            picture and fills up with black.

    Returns:
        (height, width, C) of the same type, a new array.
    """
    height, width = image.shape[:2]
    to_height, to_width = size
    if resize not in RESIZE_CHOICES:
        raise ValueError(f"resize is '{resize}', not one of {', '.join(RESIZE_CHOICES)}")
    if (height, width) == (to_height, to_width):
        return image.copy()
    if resize == "stretch":
        return _resized(image, size)
    if resize == "crop":
        # The box is not rounded to pixels: the crop and the resize are one operation.
        scale = min(height / to_height, width / to_width)
        top, left = (height - scale * to_height) / 2, (width - scale * to_width) / 2
        box = (max(left, 0.0), max(top, 0.0), min(width - left, float(width)), min(height - top, float(height)))
        return _resized(image, size, box)
    rows, columns = fitted_box((height, width), size, resize)
    padded = np.zeros((to_height, to_width, image.shape[2]), image.dtype)
    padded[rows, columns] = _resized(image, (rows.stop - rows.start, columns.stop - columns.start))
    return padded


def fitted_box(shape: tuple[int, int], size: tuple[int, int], resize: str) -> tuple[slice, slice]:
    """The rows and columns of `fit_image`'s result that are the picture; of "pad" the others are padding.

    Args:
        shape: (height, width) of the picture.
        size, resize: as in `fit_image`.
    """
    if resize != "pad":
        return slice(0, size[0]), slice(0, size[1])
    scale = min(size[0] / shape[0], size[1] / shape[1])
    inner = [min(max(round(side * scale), 1), most) for side, most in zip(shape, size, strict=True)]
    starts = [(most - side) // 2 for side, most in zip(inner, size, strict=True)]
    rows, columns = (slice(start, start + side) for start, side in zip(starts, inner, strict=True))
    return rows, columns


def _resized(
    image: NDArray[Any], size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> NDArray[Any]:
    to = (size[1], size[0])
    if image.shape[2] == 3 and image.dtype == np.uint8:
        return np.array(Image.fromarray(image).resize(to, _FILTER, box=box))
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(image, 2, 0)]
    return np.stack([np.asarray(plane.resize(to, _FILTER, box=box)) for plane in planes], axis=-1)


def load_images(
    paths: Sequence[str | os.PathLike[str]],
    size: tuple[int, int],
    resize: str = "crop",
    threads: int = 1,
    digests: Sequence[str] = (),
    channels: Channels = RGB,
) -> NDArray[Any]:
    """Read and fit many pictures.

    Args:
        paths, size, resize, channels: as in `read_pixels` and `fit_image`.
        threads: pictures decoded at a time.
        digests: the SHA-256 of each, or its first digits, as they were listed; none are checked where it is empty.

    Returns:
        (N, height, width, channels.depth), 0..255, in the order of `paths`: uint8, of bands float32.

    Raises:
        BadImage: one of them cannot be read; the text names it.
        UserError: one of them is no longer the file that was listed.
    """
    kind = np.float32 if channels.kind == "bands" else np.uint8
    batch: NDArray[Any] = np.zeros((len(paths), *size, channels.depth), kind)

    def load(index: int) -> None:
        try:
            listed = digests[index] if digests else ""
            batch[index] = fit_image(read_pixels(paths[index], channels, sha256=listed), size, resize)
        except BadImage as error:
            raise BadImage(f"{paths[index]}: {error}", paths[index]) from None

    if digests and len(digests) != len(paths):
        raise ValueError(f"{len(digests)} digests for {len(paths)} pictures")
    if threads <= 1 or len(paths) < 2:
        for index in range(len(paths)):
            load(index)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(load, range(len(paths))))
    return batch


def shown_as(
    channels: Channels, path: str | os.PathLike[str], sha256: str, size: tuple[int, int], resize: str
) -> NDArray[np.uint8]:
    """A picture as people see what a network is given of it: (height, width, 3) uint8.

    Raises:
        BadImage: it cannot be read; the text names it.
        UserError: it is no longer the file that was listed.
    """
    return channels.for_people(load_images([path], size, resize, digests=[sha256], channels=channels)[0])


def load_rows(
    rows: Sequence[Mapping[str, str]],
    size: tuple[int, int],
    resize: str = "crop",
    threads: int = 1,
    channels: Channels = RGB,
) -> NDArray[Any]:
    """The pictures of a table's rows (`path`, `sha256`), read and fitted, each checked to be the one that was listed."""
    paths, digests = [row["path"] for row in rows], [row["sha256"] for row in rows]
    return load_images(paths, size, resize, threads, digests, channels)


def _to_rgb(picture: Image.Image) -> Image.Image:
    mode = picture.mode
    if mode == "RGB" and "transparency" not in picture.info:
        return picture
    if mode.startswith("I"):
        # A PNG or a PGM has no more than 16 bits, whatever PIL holds them in.
        wide = mode == "I" and picture.format not in ("PNG", "PPM")
        return _from_integers(np.asarray(picture), wide, picture.info.get("transparency"))
    if mode == "F":
        raise BadImage("floating-point pixels, whose range is unknown; give the dataset window: [black, white]")
    if mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in picture.info:
        opaque = picture.convert("LA").convert("RGBA") if mode == "La" else picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, (255, 255, 255, 255)), opaque).convert("RGB")
    return picture.convert("RGB")


def _to_rgba(picture: Image.Image) -> Image.Image:
    if picture.mode == "La":
        return picture.convert("LA").convert("RGBA")
    clear = picture.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in picture.info
    return picture.convert("RGBA") if clear and not picture.mode.startswith("I") else _to_rgb(picture).convert("RGBA")


def _from_integers(values: NDArray[np.generic], wide: bool, clear: Any = None) -> Image.Image:
    # PIL's own conversion clips 16-bit gray at 255, which turns nearly everything white.
    pixels = values.astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise BadImage("32-bit integer pixels, whose range is unknown; give the dataset window: [black, white]")
    # Bytes that some program kept in 32-bit integers; as 16-bit gray they would all be black.
    if not wide or pixels.max() > 255:
        pixels = (pixels + 128) // 257
    if isinstance(clear, int):
        pixels[values == clear] = 255  # the number that a PNG calls transparent, over white
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
