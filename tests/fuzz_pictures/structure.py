"""Where the parts of a sound file lie: blocks to take out, double or exchange, and numbers of its structure to set.

Only of sound files (`seeds`): what is found in one is changed, never looked for in what is broken.
"""

import dataclasses
import struct
import zlib
from collections.abc import Iterator
from functools import cache

from tests.fuzz_pictures.seeds import seeds_of


@dataclasses.dataclass(frozen=True)
class Field:
    """A number of a file's structure: where it begins, its bytes, and their order ("big", "little")."""

    start: int
    size: int
    order: str


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """A file's blocks as (start, end), which need neither cover it nor be apart, and its fields."""

    blocks: tuple[tuple[int, int], ...]
    fields: tuple[Field, ...]


Found = Iterator[tuple[int, int] | Field]


@cache
def anatomy(kind: str, number: int) -> Anatomy:
    """That of a seed."""
    content = seeds_of(kind)[number]
    found = list(_FINDERS[kind](content))
    blocks = tuple(block for block in found if isinstance(block, tuple))
    fields = tuple(field for field in found if isinstance(field, Field))
    return Anatomy(blocks or ((0, len(content)),), fields or tuple(_head(content, 32)))


def _head(content: bytes, length: int, order: str = "little") -> Found:
    for start in range(0, min(length, len(content) - 4)):
        for size in (1, 2, 4):
            yield Field(start, size, order)


def _numbers(start: int, order: str, *sizes: int) -> Found:
    for size in sizes:
        yield Field(start, size, order)
        start += size


def _png(content: bytes) -> Found:
    start = 8
    while start + 12 <= len(content):
        length = int.from_bytes(content[start : start + 4], "big")
        yield start, start + 12 + length
        yield from _numbers(start, "big", 4, 1, 1, 1, 1)
        if content[start + 4 : start + 8] == b"IHDR":
            yield from [*_numbers(start + 8, "big", 4, 4, 1, 1, 1, 1, 1)] * 4
        elif content[start + 4 : start + 8] in (b"acTL", b"fcTL"):
            yield from _numbers(start + 8, "big", *[4] * (length // 4))
        start += 12 + length


def repaired(kind: str, content: bytes) -> bytes:
    """The file with checksums that are right: of a PNG's chunks, as far as they can be told."""
    if kind != "PNG":
        return content
    result, start = bytearray(content), 8
    while start + 12 <= len(result):
        length = int.from_bytes(result[start : start + 4], "big")
        end = start + 8 + length
        if end + 4 > len(result):
            break
        result[end : end + 4] = struct.pack(">I", zlib.crc32(result[start + 4 : end]))
        start = end + 4
    return bytes(result)


def _jpeg(content: bytes) -> Found:
    start = 2
    while start + 4 <= len(content) and content[start] == 0xFF:
        marker, length = content[start + 1], int.from_bytes(content[start + 2 : start + 4], "big")
        end = start + 2 + length
        yield from _numbers(start + 1, "big", 1, 2)
        if marker in (0xC0, 0xC1, 0xC2):
            sizes = (1, 2, 2, 1, *[1] * (3 * content[start + 9]))
            yield from [*_numbers(start + 4, "big", *sizes)] * 3
        elif marker in (0xDA, 0xDD, 0xDB, 0xC4):
            yield from _numbers(start + 4, "big", *[1] * min(length - 2, 20))
        elif marker in (0xE1, 0xE2, 0xEE):
            yield from _numbers(start + 4, "big", *[2] * min((length - 2) // 2, 60))
        if marker == 0xDA:
            while end + 1 < len(content) and (content[end] != 0xFF or content[end + 1] in (0, *range(0xD0, 0xD8))):
                end += 1
        yield start, end
        start = end
        if content[start : start + 2] == b"\xff\xd9":
            yield start, start + 2
            start += 2
            if content[start : start + 2] == b"\xff\xd8":
                start += 2


def _gif(content: bytes) -> Found:
    yield from [*_numbers(6, "little", 2, 2, 1, 1, 1)] * 4
    start = 13 + (3 << ((content[10] & 7) + 1) if content[10] & 0x80 else 0)
    yield 13, start
    while start < len(content) and content[start] in (0x21, 0x2C):
        first = start
        if content[start] == 0x2C:
            yield from [*_numbers(start + 1, "little", 2, 2, 2, 2, 1)] * 2
            packed = content[start + 9]
            start += 10 + (3 << ((packed & 7) + 1) if packed & 0x80 else 0)
            yield from [Field(start, 1, "little")] * 4  # the size of the first codes
            start += 1
        else:
            yield from _numbers(start + 1, "little", 1, 1, 1, 2, 1)
            start += 2
        while content[start]:
            yield start, start + 1 + content[start]
            yield Field(start, 1, "little")
            start += 1 + content[start]
        start += 1
        yield first, start


def _riff(content: bytes) -> Found:
    yield from _numbers(4, "little", 4)
    start = 12
    while start + 8 <= len(content):
        length = int.from_bytes(content[start + 4 : start + 8], "little")
        yield start, start + 8 + length + length % 2
        yield from _numbers(start + 4, "little", 4, *[1] * 10, 3, 3, 4)
        start += 8 + length + length % 2


# What holds boxes, and how many bytes of its own come first.
_NESTED = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"jp2h": 0}
_NESTED |= {b"iinf": 6, b"stsd": 8, b"dinf": 0, b"edts": 0}


def _boxes(content: bytes, start: int = 0, end: int | None = None) -> Found:
    end = len(content) if end is None else end
    while start + 8 <= end:
        length, kind = int.from_bytes(content[start : start + 4], "big"), content[start + 4 : start + 8]
        stop = min(start + length if length > 1 else end, end)
        yield start, stop
        yield from _numbers(start, "big", 4, 1, 1, 1, 1)
        if kind == b"jp2c":
            yield from _codestream(content, start + 8, stop)
        elif kind in _NESTED:
            yield from _boxes(content, start + 8 + _NESTED[kind], stop)
        elif kind != b"mdat":
            yield from _numbers(start + 8, "big", *[1] * min(stop - start - 8, 4))
            yield from _numbers(start + 12, "big", *[4] * min((stop - start - 12) // 4, 12))
            yield from _numbers(start + 12, "big", *[2] * min((stop - start - 12) // 2, 12))
        start = max(stop, start + 8)


def _codestream(content: bytes, start: int = 0, end: int | None = None) -> Found:
    """JPEG 2000's own markers."""
    end = len(content) if end is None else end
    start += 2
    while start + 4 <= end and content[start] == 0xFF and content[start + 1] != 0x93:
        length = int.from_bytes(content[start + 2 : start + 4], "big")
        yield start, start + 2 + length
        yield from _numbers(start + 1, "big", 1, 2)
        if content[start + 1] == 0x51:
            yield from [*_numbers(start + 4, "big", 2, 4, 4, 4, 4, 4, 4, 4, 4, 2, *[1] * 9)] * 3
        else:
            yield from _numbers(start + 4, "big", *[1] * min(length - 2, 24))
        start += 2 + length
    yield start, end


def _jpeg2000(content: bytes) -> Found:
    return _boxes(content) if content[4:8] == b"jP  " else _codestream(content)


def _jxl(content: bytes) -> Found:
    if content[:2] != b"\xff\x0a":
        yield from _boxes(content)
        return
    yield from _numbers(2, "little", *[1] * min(len(content) - 2, 40))
    yield 2, len(content) // 2
    yield len(content) // 2, len(content)


def _tiff(content: bytes) -> Found:
    order = "little" if content[:2] == b"II" else "big"
    big = content[2 if order == "little" else 3] == 43
    wide, step, counted = (8, 20, 8) if big else (4, 12, 2)

    def number(start: int, size: int) -> int:
        return int.from_bytes(content[start : start + size], order)  # type: ignore[arg-type]

    at = 8 if big else 4
    yield Field(at, wide, order)
    start = number(at, wide)
    for _ in range(8):
        if not start or start + counted > len(content):
            return
        count = number(start, counted)
        yield Field(start, counted, order)
        for place in range(start + counted, start + counted + count * step, step):
            yield place, place + step
            yield from _numbers(place, order, 2, 2, wide, wide)
            if number(place, 2) in (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 322, 323, 324, 325, 338, 339):
                yield from [Field(place + 4 + wide, 2, order), Field(place + 4 + wide, wide, order)] * 2
            values = number(place + 4 + wide, wide)
            if number(place, 2) in (273, 279, 324, 325, 258) and number(place + 4, wide) > 2 and values < len(content):
                yield from _numbers(values, order, *[2] * 4)
        start += counted + count * step
        yield Field(start, wide, order)
        start = number(start, wide)


def _bmp(content: bytes) -> Found:
    yield from [*_numbers(2, "little", 4, 2, 2, 4, 4, 4, 4, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4)] * 2
    start = int.from_bytes(content[10:14], "little")
    yield 0, 14
    yield 14, start
    yield start, len(content)
    yield from _numbers(start, "little", *[1] * min(40, len(content) - start))


def _ppm(content: bytes) -> Found:
    """The numbers of the header lie as text: their digits are set as bytes."""
    yield from _numbers(1, "big", *[1] * min(20, len(content) - 1))
    yield 0, 12
    yield 12, len(content)


def _qoi(content: bytes) -> Found:
    yield from [*_numbers(4, "big", 4, 4, 1, 1)] * 4
    yield 14, len(content) - 8
    yield from _numbers(14, "big", *[1] * min(30, len(content) - 14))


def _tga(content: bytes) -> Found:
    yield from [*_numbers(0, "little", 1, 1, 1, 2, 2, 1, 2, 2, 2, 2, 1, 1)] * 3
    yield 0, 18
    yield 18, len(content)
    yield from _numbers(18, "little", *[1] * min(30, len(content) - 18))


_LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF", b"OD", b"OL", b"UC", b"UR")


def _dicom(content: bytes) -> Found:
    start, explicit = 132, True
    while start + 8 <= len(content):
        group = int.from_bytes(content[start : start + 2], "little")
        explicit = content[start + 4 : start + 6].isalpha() and content[start + 4 : start + 6].isupper()
        if explicit and content[start + 4 : start + 6] in _LONG:
            length, head = int.from_bytes(content[start + 8 : start + 12], "little"), 12
            yield from _numbers(start, "little", 2, 2, 1, 1, 2, 4)
        elif explicit:
            length, head = int.from_bytes(content[start + 6 : start + 8], "little"), 8
            yield from _numbers(start, "little", 2, 2, 1, 1, 2)
        else:
            length, head = int.from_bytes(content[start + 4 : start + 8], "little"), 8
            yield from _numbers(start, "little", 2, 2, 4)
        end = len(content) if length == 0xFFFFFFFF else start + head + length
        yield start, min(end, len(content))
        if group in (0x0002, 0x0028) and length <= 64:
            yield from [*_numbers(start + head, "little", *[2] * (length // 2))] * (3 if group == 0x0028 else 1)
        if length == 0xFFFFFFFF:
            yield from _numbers(start + 12, "little", *[4] * 6)
        start = end


_FINDERS = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "BMP": _bmp,
    "WEBP": _riff,
    "TIFF": _tiff,
    "AVIF": _boxes,
    "HEIF": _boxes,
    "JXL": _jxl,
    "JPEG2000": _jpeg2000,
    "PPM": _ppm,
    "QOI": _qoi,
    "TGA": _tga,
    "DICOM": _dicom,
}
