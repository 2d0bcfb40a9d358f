"""The HDF5 layout of class activation maps, written a batch at a time."""

from collections.abc import Iterable, Sequence
from typing import Any

import h5py
import numpy as np

from convscope.storage import store

_SHAPES: dict[str, tuple[str, ...]] = {
    "maps": ("image", "target", "height", "width"),
    "empty": ("image", "target"),
    "targets": ("image", "target"),
    "scores": ("image", "target"),
    "probabilities": ("image", "class"),
    "predicted": ("image",),
}
_TYPES = {"targets": np.int64, "predicted": np.int64, "empty": np.bool_}


def write_maps(file: h5py.File, parts: Iterable[Any], count: int, methods: Sequence[str], classes: int) -> None:
    """Write batches of maps to an open file.

    Layout: `maps/<method>` (image, target, height, width) float32, raw; `empty/<method>` (image, target), whether a map has
    nothing above 0; and `targets`, `scores` (image, target), `probabilities` (image, class), `predicted` (image).

    Args:
        file: open for writing.
        parts: `cams.ClassMaps`, one batch after the other.
        count: images in all.
        methods: names of the methods.
        classes: of the model; the width of `probabilities` where there is no image.
    """
    done = 0
    for part in parts:
        for name, values in _arrays(part):
            if name not in file:
                _create(file, name, (count, *values.shape[1:]))
            file[name][done : done + len(values)] = values
        done += len(part.predicted)
    if not done:
        for name in [*(f"{group}/{method}" for group in ("maps", "empty") for method in methods), *_SHAPES]:
            kind = name.partition("/")[0]
            if name not in ("maps", "empty"):
                sizes = {"image": 0, "class": classes}
                _create(file, name, tuple(sizes.get(axis, 1) for axis in _SHAPES[kind]))


def _arrays(part: Any) -> Iterable[tuple[str, np.ndarray]]:
    for method, maps in part.maps.items():
        yield f"maps/{method}", maps
        # Nothing above 0: a picture scaled to its largest value would be 0/0.
        yield f"empty/{method}", ~(maps > 0).any(axis=(2, 3))
    for name in ("targets", "scores", "probabilities", "predicted"):
        yield name, getattr(part, name)


def _create(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
    kind = name.partition("/")[0]
    store.write_array(file, name, np.zeros(shape, _TYPES.get(kind, np.float32)), _SHAPES[kind])
