"""One damaged picture from its number: the same bytes for the same number, on every machine of the same libraries."""

import random

from tests.fuzz_pictures.seeds import FORMATS, seeds_of
from tests.fuzz_pictures.structure import Field, anatomy, repaired

_EDGES = (0, 1, 2, 3, 7, 8, 15, 16, 127, 128, 255, 256, 257, 1000, 2047, 4096, 32767, 32768, 65535, 65536, 100_000)
_EDGES += (2**24 - 1, 2**28, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
_TAILS = (
    b"PK\x03\x04" + b"\0" * 26,
    b"<html><script>alert(1)</script>",
    b"#!/bin/sh\n",
    b"%PDF-1.7\n",
    b"\0" * 600,
    b"\xff" * 300,
)
_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"


def mutant(kind: str, number: int) -> bytes:
    """The damaged file of a number; one in sixty or so is sound."""
    rng = random.Random(f"{kind} {number}")  # noqa: S311
    seeds = seeds_of(kind)
    chosen = rng.randrange(len(seeds))
    content = bytearray(seeds[chosen])
    if rng.random() < 0.6:
        known = anatomy(kind, chosen)
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            _set(rng, content, rng.choice(known.fields))
        if rng.random() < 0.4:
            _exchange(rng, content, rng.choice(known.blocks), kind)
    if rng.random() < 0.55:
        for _ in range(rng.choice((1, 1, 2, 4, 9))):
            rng.choice(_GENERAL)(rng, content, kind)
    result = bytes(content)
    if rng.random() < 0.6:
        result = repaired(kind, result)
    if rng.random() < 0.03:
        result += rng.choice((*_TAILS, seeds_of(rng.choice(FORMATS))[0]))
    return result


def _set(rng: random.Random, content: bytearray, field: Field) -> None:
    if field.start + field.size > len(content):
        return
    where = slice(field.start, field.start + field.size)
    old = int.from_bytes(content[where], field.order)  # type: ignore[arg-type]
    value = rng.choice(
        (
            rng.choice(_EDGES),
            old + rng.choice((-1, 1, 2, 8, -8)),
            old * rng.choice((2, 16, 255)),
            old ^ (1 << rng.randrange(8 * field.size)),
            rng.getrandbits(8 * field.size),
            rng.randrange(64),
        )
    )
    content[where] = (value % (1 << (8 * field.size))).to_bytes(field.size, field.order)  # type: ignore[arg-type]


def _exchange(rng: random.Random, content: bytearray, block: tuple[int, int], kind: str) -> None:
    start, end = block
    own = bytes(content[start:end])
    act = rng.randrange(7)
    if act == 0:
        del content[start:end]
    elif act == 1:
        content[end:end] = own * rng.choice((1, 1, 2, 200))
    elif act == 2:
        content[start:end] = bytes(reversed(own)) if rng.random() < 0.2 else rng.randbytes(min(len(own), 2000))
    elif act == 3:
        content.extend(own)
    elif act == 4:
        content[start:start] = rng.choice((_EXIF + rng.randbytes(8), rng.randbytes(rng.randrange(1, 64))))
    else:
        other = rng.randrange(len(seeds_of(kind)))
        theirs, (first, last) = seeds_of(kind)[other], rng.choice(anatomy(kind, other).blocks)
        content[start : end if act == 5 else start] = theirs[first:last]


def _flip(rng: random.Random, content: bytearray, kind: str) -> None:
    if content:
        content[_place(rng, content)] ^= 1 << rng.randrange(8)


def _byte(rng: random.Random, content: bytearray, kind: str) -> None:
    if content:
        content[_place(rng, content)] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))


def _word(rng: random.Random, content: bytearray, kind: str) -> None:
    size = rng.choice((2, 4, 4, 8))
    if len(content) > size:
        _set(rng, content, Field(_place(rng, content), size, rng.choice(("big", "little"))))


def _cut(rng: random.Random, content: bytearray, kind: str) -> None:
    del content[rng.randrange(len(content) + 1) :]


def _remove(rng: random.Random, content: bytearray, kind: str) -> None:
    start = _place(rng, content)
    del content[start : start + rng.choice((1, 2, 4, 16, 300))]


def _insert(rng: random.Random, content: bytearray, kind: str) -> None:
    place = _place(rng, content)
    size = rng.choice((1, 2, 4, 16, 300))
    content[place:place] = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))


def _repeat(rng: random.Random, content: bytearray, kind: str) -> None:
    start, size = _place(rng, content), rng.choice((1, 4, 12, 100))
    content[start:start] = content[start : start + size] * rng.choice((1, 2, 50))


def _splice(rng: random.Random, content: bytearray, kind: str) -> None:
    theirs = rng.choice(seeds_of(kind if rng.random() < 0.8 else rng.choice(FORMATS)))
    start, end = sorted((rng.randrange(len(theirs) + 1), rng.randrange(len(theirs) + 1)))
    place = _place(rng, content)
    content[place : place + rng.choice((0, end - start, len(content)))] = theirs[start:end]


def _digits(rng: random.Random, content: bytearray, kind: str) -> None:
    places = [place for place in range(min(len(content), 200)) if 48 <= content[place] < 58]
    if places:
        place = rng.choice(places)
        content[place : place + 1] = rng.choice((b"0", b"9", b"-1", b"99999", b"1e9", b"2147483648", b" ", b"#", b"."))


def _place(rng: random.Random, content: bytearray) -> int:
    """Any place, those near the beginning more often."""
    most = len(content) if rng.random() < 0.5 else min(len(content), 200)
    return rng.randrange(most) if most else 0


_GENERAL = (_flip, _flip, _byte, _byte, _word, _word, _cut, _remove, _insert, _repeat, _splice, _digits)
