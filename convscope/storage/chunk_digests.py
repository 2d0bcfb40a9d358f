"""Digests of the chunks of a file too large to be read again only to be sealed: taken when written, checked when read."""

import dataclasses
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convscope.storage.digests import digest_of_parts, short_digest_of_part

if TYPE_CHECKING:  # a run looks at seals as it begins, and opens no HDF5
    import h5py

# A chunk: where it lies in the file, what it holds, and what it is of.
CHUNK = np.dtype([("offset", "<u8"), ("bytes", "<u8"), ("digest", "<u8"), ("layer", "<u4"), ("image", "<u4")])


@dataclasses.dataclass(frozen=True)
class ChunkDigests:
    """The chunks of a file of activations.

    Attributes:
        layers: names of the datasets, as the column `layer` counts them.
        table: (chunks,) of `CHUNK`, by offset.
    """

    layers: tuple[str, ...]
    table: np.ndarray

    def damaged(
        self, path: str | os.PathLike[str], layer: str = "", images: Sequence[int] = ()
    ) -> list[tuple[str, int]]:
        """The (layer, image) of which a chunk is not as it was written; a short file's last chunks are not.

        Args:
            path: the file.
            layer, images: look at these alone; at all where no layer is named.

        Raises:
            OSError: the file cannot be read.
        """
        chosen = self.table
        if layer:
            number = self.layers.index(layer)
            chosen = chosen[(chosen["layer"] == number) & np.isin(chosen["image"], np.asarray(images))]
        handle = os.open(path, os.O_RDONLY)
        try:
            bad = {
                (self.layers[row["layer"]], int(row["image"]))
                for row in chosen
                if short_digest_of_part(handle, int(row["offset"]), int(row["bytes"])) != row["digest"]
            }
        finally:
            os.close(handle)
        return sorted(bad)

    def as_bytes(self) -> bytes:
        """The table as a `.npy` file."""
        stream = io.BytesIO()
        np.save(stream, self.table)
        return stream.getvalue()

    def rest(self, path: str | os.PathLike[str]) -> str:
        """Digest of all of a file that is in no chunk.

        Raises:
            OSError: the file cannot be read.
        """
        return digest_of_parts(path, self._gaps(Path(path).stat().st_size))

    def _gaps(self, size: int) -> Iterator[tuple[int, int]]:
        end = 0
        for offset, length in zip(self.table["offset"].tolist(), self.table["bytes"].tolist(), strict=True):
            if offset > end:
                yield end, offset - end
            end = max(end, offset + length)
        if size > end:
            yield end, size - end


def from_bytes(layers: tuple[str, ...], content: bytes) -> ChunkDigests:
    """What `ChunkDigests.as_bytes` wrote.

    Raises:
        ValueError: it is something else.
    """
    table = np.load(io.BytesIO(content), allow_pickle=False)
    if table.dtype != CHUNK or table.ndim != 1:
        raise ValueError("no table of chunks")
    if len(table) and (
        table["layer"].max() >= len(layers) or max(table["offset"].max(), table["bytes"].max()) >= 1 << 62
    ):
        raise ValueError("a table of chunks that no file has")
    return ChunkDigests(layers, table)


def located(
    file: "h5py.File", layers: Sequence[str], digests: Iterable[dict[tuple[int, ...], int]], prefix: str
) -> ChunkDigests:
    """Digests with the places of their chunks, which HDF5 knows when all are written.

    Args:
        file: open; nothing of the datasets is written any more.
        layers: names of the datasets, below `prefix`.
        digests: of each, chunk -> digest; a chunk is the index of its first element, the image first.
        prefix: "layers/".
    """
    file.flush()
    rows: list[tuple[int, int, int, int, int]] = []
    for number, (name, known) in enumerate(zip(layers, digests, strict=True)):

        def add(chunk: "h5py.h5d.StoreInfo", known: dict[tuple[int, ...], int] = known, number: int = number) -> None:
            at = chunk.chunk_offset
            rows.append((chunk.byte_offset, chunk.size, known[at], number, at[0]))

        file[f"{prefix}{name}"].id.chunk_iter(add)
    table = np.array(sorted(rows), dtype=CHUNK)
    return ChunkDigests(tuple(layers), table)
