"""Chunks of HDF5 datasets that are deflated here: several times as fast as HDF5 does it, and to the same bytes each time.

HDF5's LZF looks for repetitions in memory that it does not clear, so that what it writes of the same values differs from run to run.
Any reader of HDF5 reads what is written here: byte shuffling and deflate are its own two filters.
"""

from typing import Any

import h5py
import numpy as np
from isal import isal_zlib

from convscope.storage.digests import short_digest

# For what HDF5 itself may write: the same two filters.
DEFLATED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def deflated(chunk: np.ndarray) -> bytes:
    """A chunk as HDF5 keeps it behind byte shuffling and deflate: all first bytes, then all second ones, deflated (RFC 1950)."""
    planes = np.ascontiguousarray(chunk).reshape(-1).view(np.uint8).reshape(-1, chunk.itemsize)
    return bytes(isal_zlib.compress(np.ascontiguousarray(planes.T).data, 1))


def dataset(file: h5py.Group, name: str, shape: tuple[int, ...], dtype: Any, chunks: tuple[int, ...]) -> h5py.Dataset:
    """A new dataset whose chunks are written by `write`."""
    return file.create_dataset(name, shape, dtype, chunks=chunks, **DEFLATED)


def write(target: h5py.Dataset, place: tuple[int, ...], values: np.ndarray) -> int:
    """Write one whole chunk.

    Args:
        target: as `dataset` makes it.
        place: index of the chunk's first element.
        values: (chunk's shape) in the dataset's dtype, or shorter along an axis at the dataset's end; zeros fill it up.

    Returns:
        The digest (`digests.short_digest`) of what was written.
    """
    if values.shape != target.chunks:
        missing = [(0, whole - have) for whole, have in zip(target.chunks, values.shape, strict=True)]
        values = np.pad(values, missing)
    content = deflated(values)
    target.id.write_direct_chunk(place, content)
    return short_digest(content)
