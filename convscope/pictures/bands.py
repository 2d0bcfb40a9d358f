"""The numbers of a picture's bands as its file holds them: TIFFs of any number of bands, and all that PIL opens."""

import io
import logging
from collections.abc import Callable
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.errors import BadImage
from convscope.pictures.window import Window

# TIFF and BigTIFF, little and big endian.
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION = "Orientation"
_MOST_PAGES = 10_000
_LARGE_TILE = 1 << 24
_ALONE: dict[str, Any] = {f"is_{kind}": False for kind in ("ome", "micromanager", "mmstack", "ndtiff")}
# Turns an array whose first row and column lie where the tag says.
_UPRIGHT: dict[int, Callable[[Any], Any]] = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[:, ::-1],
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x.swapaxes(0, 1)[::-1],
}


class NeedsCodec(BadImage):
    """A TIFF whose compression only another package, or PIL, knows.

    Attributes:
        plain: how many bands of 8 bits it has on one page; 0 where they are otherwise.
    """

    def __init__(self, reason: str, plain: int) -> None:
        super().__init__(reason)
        self.plain = plain


def is_tiff(stream: IO[bytes]) -> bool:
    """Whether a stream holds a TIFF; it is at its start again afterwards."""
    stream.seek(0)
    magic = stream.read(4)
    stream.seek(0)
    return magic in _MAGIC


def tiff_bands(stream: IO[bytes], max_pixels: int) -> NDArray[np.generic]:
    """Every band of a TIFF's first picture, upright: (H, W, bands) of the file's own type.

    Bands may be samples of a pixel, planes, or one page each.

    Raises:
        BadImage: too large, compressed in a way that cannot be read here, or a stack of more than height, width and bands.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what matters is raised
    content = stream.read()
    _check_pages(content)
    # In memory and without the kinds that name other files: nothing beside this file is ever opened.
    with tifffile.TiffFile(io.BytesIO(content), **_ALONE) as file:
        series = file.series[0]
        sides = dict(zip(series.axes, series.shape, strict=True))
        height, width = sides.pop("Y", 0), sides.pop("X", 0)
        if not height or not width:
            raise BadImage("not a picture (a TIFF without height and width)")
        if height * width > max_pixels:
            raise BadImage(f"too large: {width}x{height} pixels, the limit is {max_pixels}")
        more = {axis: length for axis, length in sides.items() if length > 1}
        if len(more) > 1:
            stack = " x ".join(f"{length} ({axis})" for axis, length in more.items())
            raise BadImage(f"a stack of {stack} pictures; save height, width and bands alone")
        if height * width * max(more.values(), default=1) > max_pixels * 8:
            raise BadImage(f"too large: {width}x{height} pixels of {max(more.values(), default=1)} bands")
        check_planes(file.pages.first.planarconfig)
        check_tiles(file.pages.first.tilewidth, file.pages.first.tilelength, max_pixels)
        tag = file.pages.first.tags.get(_ORIENTATION)
        try:
            # Not what a decoder leaves out: without zeros, that would be whatever was in memory.
            values = series.asarray(out=np.zeros(series.shape, series.dtype))
        except (ValueError, ImportError) as error:
            if isinstance(error, ValueError) and "imagecodecs" not in str(error):
                raise
            page = file.pages.first
            raise NeedsCodec(
                f"a TIFF compressed by {tifffile.COMPRESSION(page.compression).name}, which needs the Python package imagecodecs; "
                "install it, or save the file uncompressed",
                plain=page.samplesperpixel if page.dtype == np.uint8 and len(file.pages) == 1 else 0,
            ) from None
        axis = next((place for place, name in enumerate(series.axes) if name in more), None)
        values = values[..., None] if axis is None else np.moveaxis(values, axis, -1)
        values = values.reshape(height, width, -1)
    return upright(values, int(tag.value) if tag is not None else 1)


def check_planes(planes: int) -> None:
    """Check how a TIFF says that its bands lie: readers leave parts of the picture out where it says neither way.

    Raises:
        BadImage: it does not.
    """
    if planes not in (1, 2):
        raise BadImage(f"damaged: a TIFF whose bands lie neither together nor in planes ({int(planes)})")


def check_tiles(width: int, height: int, max_pixels: int) -> None:
    """Check the size of a TIFF's tiles: readers make room for a whole one, however small the picture.

    Raises:
        BadImage: they are larger than any picture may be.
    """
    if width * height > max(max_pixels, _LARGE_TILE):
        raise BadImage(f"damaged: a TIFF with tiles of {width}x{height} pixels")


def _check_pages(content: bytes) -> None:
    """Follow a TIFF's pages, each of which says where the next one lies: tifffile would do so for ever in a circle.

    Raises:
        BadImage: they lead back to one of them, or are more than any picture has.
    """
    order: Literal["little", "big"] = "little" if content[:2] == b"II" else "big"
    # Bytes of an offset, of the number of a page's tags, and of a tag, in a TIFF and a BigTIFF.
    offset, counted, tag = (8, 8, 20) if b"+" in content[2:4] else (4, 2, 12)

    def number(start: int, size: int) -> int:
        return int.from_bytes(content[start : start + size], order)

    seen: set[int] = set()
    page = number(offset, offset)
    while 0 < page < len(content):
        if page in seen:
            raise BadImage("damaged: the pages of this TIFF lead back to one of them")
        if len(seen) == _MOST_PAGES:
            raise BadImage(f"a TIFF of more than {_MOST_PAGES} pages")
        seen.add(page)
        page = number(page + counted + number(page, counted) * tag, offset)


def upright(values: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Pixels (H, W, ...) as they are looked at, by the number of EXIF and TIFF."""
    turn = _UPRIGHT.get(orientation)
    return values if turn is None else turn(values)


def picture_bands(picture: Image.Image) -> NDArray[np.generic]:
    """The bands of a picture that PIL has opened, not turned: (H, W, bands); palettes become colours."""
    if picture.mode in ("P", "PA", "1"):
        bare = {"1": "L", "PA": "RGBA"}.get(picture.mode, "RGBA" if "transparency" in picture.info else "RGB")
        picture = picture.convert(bare)
    values = np.asarray(picture)
    if picture.mode == "I" and picture.format == "PNG":
        values = values.astype(np.uint16)  # a PNG has no more than 16 bits
    return values[..., None] if values.ndim == 2 else values


def in_range(values: NDArray[np.generic], window: Window | None) -> NDArray[np.generic]:
    """Numbers of a file as this library counts them: the ends of the window, or of their type, become 0 and 255.

    Args:
        values: any shape and type.
        window: the two numbers that become 0 and 255; None: 0 and the largest of an 8-bit or 16-bit type.

    Returns:
        uint8 as they are where they are 8 bits and there is no window; else float32. What lies beyond the window lies beyond
        0..255, too.

    Raises:
        BadImage: the range is unknown, or some are no finite numbers.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadImage("some of its numbers are not finite (NaN or infinite); fill them first")
    if window is not None:
        low, high = window
        return ((values.astype(np.float64) - low) * (255 / (high - low))).astype(np.float32)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return values.astype(np.float32) / np.float32(257)
    raise BadImage(
        f"numbers of type {values.dtype}, whose range is unknown; give the dataset a window, [darkest, brightest]"
    )


def as_picture(values: NDArray[np.generic], window: Window | None) -> Image.Image:
    """A TIFF's bands as a picture for people: the first three as colours, or the first in gray; beyond the range they are clipped."""
    seen = in_range(values[..., :3] if values.shape[-1] >= 3 else values[..., 0], window)
    return Image.fromarray(np.clip(np.rint(seen), 0, 255).astype(np.uint8))


def chosen(values: NDArray[np.generic], bands: tuple[int, ...]) -> NDArray[np.generic]:
    """Some of the bands, in the order given: (H, W, all) -> (H, W, len(bands)).

    Raises:
        BadImage: the picture has fewer.
    """
    count = values.shape[-1]
    if max(bands) >= count:
        has = "one band, 0" if count == 1 else f"{count} bands, 0 to {count - 1}"
        raise BadImage(f"it has {has}, but the model takes band {max(bands)}")
    return values[..., list(bands)]
