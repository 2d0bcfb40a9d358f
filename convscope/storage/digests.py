"""Digests that tell damage: XXH3 (https://xxhash.com), which takes less time than reading what it is of.

It tells a flipped bit, a cut, or another content; not a forger, who is no concern among results of one's own. What comes from
strangers is checked by SHA-256 (`files.sha256_of`).
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import xxhash

# It stays in a processor's nearest large cache between reading and looking, also where another thread shares that.
_BLOCK = 1 << 18


# The digest of `short_digest`, of what comes piece by piece.
ShortDigest = xxhash.xxh3_64


def digest_of_bytes(content: bytes | bytearray | memoryview) -> str:
    """Digest of bytes, 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(content)


def short_digest(content: bytes | bytearray | memoryview) -> int:
    """Digest of one of very many pieces, an unsigned number of 64 bits."""
    return xxhash.xxh3_64_intdigest(content)


def digest_of_file(path: str | os.PathLike[str]) -> str:
    """Digest of a file's content, 32 hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    digest, buffer = xxhash.xxh3_128(), bytearray(_BLOCK)
    view = memoryview(buffer)
    with Path(path).open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()


def digest_of_parts(path: str | os.PathLike[str], parts: Iterable[tuple[int, int]]) -> str:
    """Digest of some parts of a file, each (offset, bytes), in their order.

    Raises:
        OSError: it cannot be read.
    """
    digest = xxhash.xxh3_128()
    handle = os.open(path, os.O_RDONLY)
    try:
        for offset, size in parts:
            for block in _blocks(handle, offset, size):
                digest.update(block)
    finally:
        os.close(handle)
    return digest.hexdigest()


def short_digest_of_part(handle: int, offset: int, size: int) -> int:
    """Digest of a part of an open file, as `short_digest` of its bytes.

    Raises:
        OSError: it cannot be read.
    """
    digest = xxhash.xxh3_64()
    for block in _blocks(handle, offset, size):
        digest.update(block)
    return digest.intdigest()


def _blocks(handle: int, offset: int, size: int) -> Iterator[bytes]:
    while size > 0:
        block = os.pread(handle, min(size, _BLOCK), offset)
        if not block:
            return
        yield block
        offset, size = offset + len(block), size - len(block)
