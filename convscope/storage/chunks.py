"""Uncompressed chunks of HDF5 datasets, written past the system's cache where the file system can."""

import errno
import math
import mmap
import os
from typing import Any

import h5py
import numpy as np

from convscope.storage.digests import ShortDigest, short_digest

PAGE = 4096
_BUFFER_BYTES = 2**20
_CHUNK_BYTES = 2**20


def rows_of_a_chunk(height: int, row_bytes: int) -> int:
    """Rows of a map that lie in one chunk: all of them, or so many that a chunk has at most 1 MiB.

    Where some rows fill whole pages a chunk has a multiple of them, so that the next chunk begins at a page again; of such
    multiples the one that leaves the least of the last chunk empty.
    """
    if height * row_bytes <= _CHUNK_BYTES:
        return height
    whole = PAGE // math.gcd(PAGE, row_bytes)
    least, most = _CHUNK_BYTES // 8 // row_bytes, _CHUNK_BYTES // row_bytes
    aligned = [rows for rows in range(whole, most + 1, whole) if rows >= least]
    if aligned:
        return min(aligned, key=lambda rows: (-(-height // rows) * rows, -rows))
    return -(-height // -(-height // max(most, 1)))


class WithDigests(np.ndarray):
    """Maps (N, h, w, C) of which the digests are known already, (N, chunks) uint64, as `ChunkWriter.write` takes them; or None."""

    digests: np.ndarray | None = None


class ChunkWriter:
    """Writes whole chunks of an open HDF5 file.

    What goes through the system's cache is copied there, and a file that grows by gigabytes takes fresh pages all the time.
    Here HDF5 decides where a chunk lies; its whole pages go to the disk (`O_DIRECT`), from where they are if that begins at a
    page of memory and from one buffer otherwise, the rest of its last page through the cache. On systems and file systems
    without direct writes all of it goes through the cache.

    Args:
        file: open for writing, its objects aligned to pages (`store.create(..., page_aligned=True)`).
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._memory = mmap.mmap(-1, _BUFFER_BYTES)
        self._buffer = np.frombuffer(self._memory, np.uint8)
        self._plain = os.open(file.filename, os.O_WRONLY)
        self._places: dict[str, dict[tuple[int, ...], int]] = {}
        self._sizes: dict[str, int] = {}
        self._direct: int | None = None
        self.last_digest = 0  # of the chunk that was written last
        if hasattr(os, "O_DIRECT"):  # not on macOS
            try:
                self._direct = os.open(file.filename, os.O_WRONLY | os.O_DIRECT)
            except OSError:
                self._direct = None

    def dataset(self, name: str, shape: tuple[int, ...], dtype: Any, chunks: tuple[int, ...]) -> h5py.Dataset:
        """A new dataset without filters whose every chunk has its place in the file already."""
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        dataset = self._file.create_dataset(name, shape, dtype, chunks=chunks, dcpl=creation)
        places: dict[tuple[int, ...], int] = {}
        # All at once: asked for one chunk, HDF5 walks through every chunk before it.
        dataset.id.chunk_iter(lambda chunk: places.__setitem__(chunk.chunk_offset, chunk.byte_offset))
        self._places[name], self._sizes[name] = places, int(np.prod(chunks))
        return dataset

    def write(self, name: str, place: tuple[int, ...], values: np.ndarray, digest: int | None = None) -> int:
        """Write one chunk; all of them must be written, since nothing else fills them.

        Args:
            name: of a dataset made by `dataset`.
            place: index of the chunk's first element.
            values: (chunk's shape) in the dataset's dtype, or shorter along the second axis at the dataset's end; zeros fill
                it up.
            digest: of the chunk, where it is known already.

        Returns:
            Bytes that went through the system's cache.
        """
        source = np.ascontiguousarray(values).reshape(-1)
        size, begin = self._sizes[name], self._places[name][place]
        if len(source) == size and source.ctypes.data % PAGE == 0:
            self.last_digest = short_digest(source.view(np.uint8).data) if digest is None else digest
            return self._put(begin, source.view(np.uint8).data)
        step = _BUFFER_BYTES // source.itemsize
        cached, taken = 0, ShortDigest()
        for start in range(0, size, step):
            count = min(step, size - start)
            piece = self._buffer[: count * source.itemsize].view(source.dtype)
            given = max(min(count, len(source) - start), 0)
            piece[:given], piece[given:] = source[start : start + given], 0
            if digest is None:
                taken.update(piece.view(np.uint8).data)
            cached += self._put(begin + start * source.itemsize, piece.view(np.uint8).data)
        self.last_digest = taken.intdigest() if digest is None else digest
        return cached

    def _put(self, offset: int, data: memoryview) -> int:
        """Write bytes that begin at a page of memory; how many went through the cache.

        Raises:
            OSError: they cannot be written; it names the file.
        """
        try:
            return self._put_pages(offset, data)
        except OSError as error:
            error.filename = self._file.filename
            raise

    def _put_pages(self, offset: int, data: memoryview) -> int:
        size = len(data)
        pages = 0 if offset % PAGE else size // PAGE * PAGE
        if self._direct is None or not pages:
            pages = 0
        else:
            try:
                _all(self._direct, data[:pages], offset)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise
                # Some file systems open files so and refuse to write them.
                os.close(self._direct)
                self._direct, pages = None, 0
        if pages < size:
            _all(self._plain, data[pages:], offset + pages)
        return size - pages

    def close(self) -> None:
        """Give the file's handles back."""
        os.close(self._plain)
        if self._direct is not None:
            os.close(self._direct)


def _all(handle: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(handle, data, offset)
        data, offset = data[written:], offset + written
