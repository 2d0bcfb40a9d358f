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
_PLANES, _TILE = 284, (322, 323)
_MOST_TAGS = 1 << 16
_BYTES = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8}  # of a whole number, by its type
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
    check_layout(stream, max_pixels)
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


def check_layout(stream: IO[bytes], max_pixels: int) -> None:
    """Check what a TIFF's first page says of how its numbers lie; as it is in the file, since readers disagree on damaged pages.

    They leave parts of the picture out where it says neither that bands lie together nor in planes, and make room for a whole tile,
    however small the picture.

    Raises:
        BadImage: the bands lie in no known way, or the tiles are larger than any picture may be.
    """
    stream.seek(0)
    head = _Head(stream.read(16))
    stream.seek(head.first)
    page = stream.read(head.counted)
    page += stream.read(min(head.number(page, 0, head.counted), _MOST_TAGS) * head.tag)
    most: dict[int, int] = {}
    for start in range(head.counted, len(page) - head.tag + 1, head.tag):
        tag, kind = head.number(page, start, 2), head.number(page, start + 2, 2)
        value = head.number(page, start + 4 + head.offset, min(_BYTES.get(kind, 0), head.offset))
        most[tag] = max(value, most.get(tag, 0))
    stream.seek(0)
    if most.get(_PLANES, 1) not in (1, 2):
        raise BadImage(f"damaged: a TIFF whose bands lie neither together nor in planes ({most[_PLANES]})")
    width, height = (most.get(tag, 0) for tag in _TILE)
    if width * height > max(max_pixels, _LARGE_TILE):
        raise BadImage(f"damaged: a TIFF with tiles of {width}x{height} pixels")


class _Head:
    """What the first 16 bytes of a TIFF or BigTIFF say: its order of bytes, how long its numbers are, where its first page lies.

    Attributes:
        offset, counted, tag: bytes of an offset, of the number of a page's tags, and of a tag.
        first: where the first page begins.
    """

    def __init__(self, content: bytes) -> None:
        self.order: Literal["little", "big"] = "little" if content[:2] == b"II" else "big"
        self.offset, self.counted, self.tag = (8, 8, 20) if b"+" in content[2:4] else (4, 2, 12)
        self.first = self.number(content, self.offset, self.offset)

    def number(self, content: bytes, start: int, size: int) -> int:
        """One of its numbers without a sign; what lies beyond the end is 0."""
        return int.from_bytes(content[start : start + size], self.order)


def _check_pages(content: bytes) -> None:
    """Follow a TIFF's pages, each of which says where the next one lies: tifffile would do so for ever in a circle.

    Raises:
        BadImage: they lead back to one of them, or are more than any picture has.
    """
    head = _Head(content)
    seen: set[int] = set()
    page = head.first
    while 0 < page < len(content):
        if page in seen:
            raise BadImage("damaged: the pages of this TIFF lead back to one of them")
        if len(seen) == _MOST_PAGES:
            raise BadImage(f"a TIFF of more than {_MOST_PAGES} pages")
        seen.add(page)
        tags = head.number(content, page, head.counted) * head.tag
        page = head.number(content, page + head.counted + tags, head.offset)


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
