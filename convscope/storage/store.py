"""HDF5 artifacts: self-describing files that a reader with h5py alone understands."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from convscope.backends.names import BACKENDS, chosen
from convscope.errors import UserError
from convscope.storage.chunks import PAGE
from convscope.storage.files import built_on
from convscope.storage.node_disk import own_disk

TEXT = h5py.string_dtype()


@contextlib.contextmanager
def create(path: str | os.PathLike[str], page_aligned: bool = False, **attributes: Any) -> Iterator[h5py.File]:
    """Create an HDF5 file that appears under its name when it is whole. Attributes that are not plain are kept as JSON.

    `page_aligned`: what is larger than some pages of memory begins at a page of the file, as `chunks.ChunkWriter` wants it. Such
    a file is made on the node's own disk, where the environment names one (`node_disk`).
    """
    aligned = {"alignment_threshold": 16 * PAGE, "alignment_interval": PAGE} if page_aligned else {}
    # The newest layout (libver="latest") would keep the time at which each group was made: never the same bytes twice.
    folder = own_disk() if page_aligned else None
    with built_on(folder, path) as temporary, h5py.File(temporary, "w", locking=False, **aligned) as file:
        for key, value in attributes.items():
            file.attrs[key] = value if isinstance(value, (str, int, float)) else json.dumps(value, sort_keys=True)
        libraries = ("keras", *BACKENDS[chosen()], "numpy", "h5py")
        file.attrs["libraries"] = json.dumps({name: version(name) for name in libraries}, sort_keys=True)
        yield file


def settle(file: h5py.File) -> None:
    """Put on the disk what has been written so far, and give its memory back to the system.

    Without it a file of many gigabytes fills the system's cache with pages nobody reads again, which on a cluster counts as
    the job's memory, and finding fresh pages for them can cost more than the writing.
    """
    if hasattr(os, "posix_fadvise"):  # not on macOS
        handle = file.id.get_vfd_handle()
        os.fdatasync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


def open_file(path: str | os.PathLike[str]) -> h5py.File:
    """Open for reading; without a lock, so that many jobs (and network file systems) can."""
    return h5py.File(path, "r", locking=False)


def write_array(file: h5py.Group, name: str, values: Any, dimensions: Sequence[str], **options: Any) -> h5py.Dataset:
    """Store an array with names for its dimensions. Lists of str become UTF-8 text; names of files that are not keep their bytes."""
    if len(values) and isinstance(values[0], str):
        dataset = file.create_dataset(
            name, data=[value.encode(errors="surrogateescape") for value in values], dtype=TEXT
        )
    else:
        dataset = file.create_dataset(name, data=np.asarray(values), **options)
    for axis, dimension in enumerate(dimensions):
        dataset.dims[axis].label = dimension
    return dataset


def read_text(dataset: h5py.Dataset) -> list[str]:
    """The strings of a text dataset."""
    return [
        value.decode("utf-8", errors="surrogateescape") if isinstance(value, bytes) else str(value)
        for value in dataset[()]
    ]


def concatenate(
    parts: Sequence[str | os.PathLike[str]],
    whole: str | os.PathLike[str],
    axis_name: str,
    virtual: bool,
    part: str = "",
) -> None:
    """Join shard files of the same layout along their first dimension.

    Datasets whose first dimension is labelled `axis_name` are joined; the others, and the attributes, are the first shard's.

    Args:
        parts: shard files, in order.
        whole: the file to write.
        axis_name: label of the dimension that grows ("image").
        virtual: refer to the shards by their relative paths (nothing is copied), or copy, a shard at a time.
        part: of what lies in groups, take only `<group>/<part>`, and call it `<group>` ("maps/gradcam" becomes "maps").

    Raises:
        UserError: the part was left out of the shards, with the reason that their attribute `left_out` gives.
    """
    folder = Path(whole).parent
    with contextlib.ExitStack() as stack:
        shards = [stack.enter_context(open_file(part)) for part in parts]
        left_out = json.loads(shards[0].attrs.get("left_out", "{}"))
        if part in left_out:
            raise UserError(left_out[part])
        target = stack.enter_context(create(whole))
        for key, value in shards[0].attrs.items():
            # What is missing of the others is not this part's.
            if key != "left_out":
                target.attrs[key] = value
        names: list[str] = []
        shards[0].visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            group, _, last = name.rpartition("/")
            if part and group and last != part:
                continue
            called = group if part and group else name
            first = shards[0][name]
            grows = first.ndim > 0 and first.dims[0].label == axis_name
            if not grows:
                joined = target.create_dataset(called, data=first[()], dtype=first.dtype)
            elif virtual:
                joined = _virtual(target, called, name, shards, parts, folder)
            else:
                joined = _copied(target, called, [shard[name] for shard in shards])
            for axis in range(first.ndim):
                joined.dims[axis].label = first.dims[axis].label
            for key, value in first.attrs.items():
                if not key.startswith("DIMENSION"):
                    joined.attrs[key] = value


def shards_of(whole: str | os.PathLike[str], name: str) -> list[tuple[Path, int, int]]:
    """The shards that a dataset of a joined file refers to: each file, its first row in the whole, and how many it has."""
    with open_file(whole) as file:
        dataset = file[name]
        if not dataset.is_virtual:
            return []
        sources = [(source.vspace.get_regular_hyperslab(), source.file_name) for source in dataset.virtual_sources()]
        # Whatever HDF5 is told of a region, it tells as one of rows: a start and, along the first dimension, a length.
        return [
            (Path(whole).parent / name, int(start[0]), int(count[0] * block[0]))
            for (start, _, count, block), name in sources
        ]


def _copied(target: h5py.File, name: str, sources: Sequence[h5py.Dataset]) -> h5py.Dataset:
    first = sources[0]
    joined = target.create_dataset(name, (sum(map(len, sources)), *first.shape[1:]), first.dtype)
    start = 0
    for source in sources:
        joined[start : start + len(source)] = source[()]
        start += len(source)
    return joined


def _virtual(
    target: h5py.File, called: str, name: str, shards: Sequence[h5py.File], parts: Sequence[Any], folder: Path
) -> h5py.Dataset:
    first = shards[0][name]
    shape = (sum(len(shard[name]) for shard in shards), *first.shape[1:])
    # Not h5py's create_virtual_dataset, which keeps the time: the same shards would not give the same bytes.
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.VIRTUAL)
    creation.set_obj_track_times(False)
    start = 0
    for shard, part in zip(shards, parts, strict=True):
        count = shard[name].shape
        place = h5py.h5s.create_simple(shape)
        place.select_hyperslab((start, *[0] * (first.ndim - 1)), count)
        source = os.path.relpath(part, folder)
        creation.set_virtual(place, os.fsencode(source), name.encode(), h5py.h5s.create_simple(count))
        start += count[0]
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    kind = h5py.h5t.py_create(first.dtype, logical=True)
    space = h5py.h5s.create_simple(shape)
    return h5py.Dataset(h5py.h5d.create(target.id, called.encode(), kind, space, creation, links))
