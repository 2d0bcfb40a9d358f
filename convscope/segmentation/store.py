"""The HDF5 layout of predicted masks, written a batch at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from convscope.segmentation.names import IGNORED
from convscope.storage import store

_BLOCK = 64


@dataclass(frozen=True)
class Masks:
    """A batch of pictures: `predicted` and `truth` are (N, H, W) int8, `known` (N,) bool is whether a picture has a mask."""

    predicted: np.ndarray
    truth: np.ndarray
    known: np.ndarray


def write_masks(
    path: str | Path,
    rows: Sequence[Mapping[str, str]],
    size: tuple[int, int],
    batches: Iterable[Masks],
    **attributes: Any,
) -> None:
    """Write predicted masks.

    Layout: `predicted` and `truth` (image, height, width) int8, index of a class, the truth -1 where it is not known; `known` (image),
    whether a picture has a mask; `id`, `path`, `class`, `sha256` (image).

    Args:
        path: the file.
        rows: of the image set's table.
        size: (height, width) of the masks.
        batches: in the order of the rows.
        **attributes: of the file.
    """
    with store.create(path, **attributes) as file:
        for column in ("id", "path", "class", "sha256"):
            store.write_array(file, column, [row[column] for row in rows], ("image",), dtype=store.TEXT)
        for name in ("predicted", "truth"):
            options: dict[str, Any] = {"chunks": (1, *size), "compression": "gzip"} if rows else {}
            masks = file.create_dataset(name, (len(rows), *size), np.int8, fillvalue=IGNORED, **options)
            for axis, dimension in enumerate(("image", "height", "width")):
                masks.dims[axis].label = dimension
        store.write_array(file, "known", np.zeros(len(rows), np.bool_), ("image",))
        done = 0
        for batch in batches:
            place = slice(done, done + len(batch.known))
            file["predicted"][place], file["truth"][place], file["known"][place] = (
                batch.predicted,
                batch.truth,
                batch.known,
            )
            done += len(batch.known)


def read_masks(file: h5py.File, block: int = _BLOCK) -> Iterator[Masks]:
    """The masks of an open file, some pictures at a time."""
    for start in range(0, len(file["known"]), block):
        place = slice(start, start + block)
        yield Masks(file["predicted"][place], file["truth"][place], file["known"][place])
