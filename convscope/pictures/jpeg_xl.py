"""JPEG XL: its size by its header, and its pixels by the plugin that reads it for Pillow, where that is installed."""

from collections.abc import Iterator
from typing import IO

from PIL import Image

from convscope.errors import BadImage

_CODESTREAM = b"\xff\x0a"
# Width by height, where the header gives a shape instead of a width (ISO/IEC 18181-1, "SizeHeader").
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def size_of(content: bytes) -> tuple[int, int]:
    """Width and height in pixels, as the header says them; an orientation may exchange the two.

    Raises:
        BadImage: the header is damaged.
    """
    stream = content if content.startswith(_CODESTREAM) else _codestream(content)
    if not stream.startswith(_CODESTREAM):
        raise BadImage("damaged: a JPEG XL without its picture")
    bits = _Bits(stream[2:14])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def open_jpeg_xl(stream: IO[bytes]) -> Image.Image:
    """Open a JPEG XL whose size was checked: its plugin decodes at once.

    Raises:
        BadImage: the plugin is not installed, or fails.
    """
    try:
        import pillow_jxl  # noqa: F401
    except ImportError:
        raise BadImage("a JPEG XL, which needs the package pillow-jxl-plugin: pip install pillow-jxl-plugin") from None
    try:
        picture = Image.open(stream, formats=("JXL",))
    except (MemoryError, BadImage):
        raise
    except Exception:
        raise BadImage("damaged: a JPEG XL that its reader refuses") from None
    except BaseException as error:
        # What Rust's code calls a panic is none of Python's usual errors, and no reason to end.
        if type(error).__name__ != "PanicException":
            raise
        raise BadImage("damaged: the JPEG XL reader gave up") from None
    if not picture.jpeg:  # type: ignore[attr-defined]
        # The picture is upright already: the format's own orientation counts, the one in the EXIF data is a copy of it.
        picture.info.pop("exif", None)
    return picture


class _Bits:
    """Numbers of a few bits each, the lowest bit of a byte first."""

    def __init__(self, content: bytes) -> None:
        self.value, self.left = int.from_bytes(content, "little"), 8 * len(content)

    def take(self, count: int) -> int:
        if count > self.left:
            raise BadImage("damaged: a JPEG XL that ends in its header")
        result = self.value & ((1 << count) - 1)
        self.value >>= count
        self.left -= count
        return result


def _side(bits: _Bits, small: int) -> int:
    return (bits.take(5) + 1) * 8 if small else bits.take((9, 13, 18, 30)[bits.take(2)]) + 1


def _codestream(content: bytes) -> bytes:
    """The beginning of what the container holds: its whole codestream or the first part of it."""
    for kind, inner in _boxes(content):
        if kind == b"jxlc":
            return inner
        if kind == b"jxlp":
            return inner[4:]
    return b""


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start + 8 <= len(content):
        length, header = int.from_bytes(content[start : start + 4], "big"), 8
        kind = content[start + 4 : start + 8]
        if length == 1:
            length, header = int.from_bytes(content[start + 8 : start + 16], "big"), 16
        end = start + length if length else len(content)
        if end < start + header:
            return
        yield kind, content[start + header : start + header + 64 if kind != b"jxlp" else start + header + 68]
        start = end
