"""The HDF5 layout of concept vectors and of found concepts."""

import dataclasses
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from convscope.storage import store
from convscope.storage.deflated import DEFLATED

_LARGEST = float(np.finfo(np.float16).max)


@dataclasses.dataclass(frozen=True)
class Found:
    """Concepts that were found for a class at a layer, the most important first.

    Attributes:
        parts: (r, C) float32, the directions, of length 1.
        importance, removed: (asked, r) float64, of each picture asked (see `craft.Importance`).
        importance_error: (r,) float64, standard error of the importance's mean over the pictures, for the few points.
        kept: (asked, 2) float64, logits of each picture asked: its own, and of what the concepts make up.
        asked: (asked,) int64, which pictures were.
        same: (asked,) bool, whether a picture is taken for the same class by what the concepts make up.
        windows: (crops, 5) int32, the crops.
        crops: (crops, r) float32, how much of each concept they have.
        pictures: (n,) int64, those that the model takes for the class.
        maps: (n, h, w, r) float32, where in them each concept is.
    """

    parts: NDArray[np.float32]
    importance: NDArray[np.float64]
    importance_error: NDArray[np.float64]
    removed: NDArray[np.float64]
    kept: NDArray[np.float64]
    asked: NDArray[np.int64]
    same: NDArray[np.bool_]
    windows: NDArray[np.int32]
    crops: NDArray[np.float32]
    pictures: NDArray[np.int64]
    maps: NDArray[np.float32]


def write_vectors(group: h5py.Group, names: list[str], vectors: NDArray[np.float32], numbers: dict[str, Any]) -> None:
    """Write a layer's concept vectors.

    Layout: `concept` (concept), `vector` (concept, number): the mean of its CAVs, of length 1, a number for each channel (or, where
    the settings say `pooled: false`, for each number of the map); `accuracy` (concept), `sensitivity`, `score` (concept, class).
    """
    store.write_array(group, "concept", names, ("concept",), dtype=store.TEXT)
    store.write_array(group, "vector", vectors, ("concept", "number"))
    for name, values in numbers.items():
        store.write_array(group, name, values, ("concept", "class")[: np.ndim(values)])


def write_found(group: h5py.Group, found: Found) -> None:
    """Write the concepts that were found for a class: the arrays of `Found`; `maps` in half precision, times the attribute `scale`."""
    axes = {
        "parts": ("concept", "channel"),
        "importance": ("asked", "concept"),
        "importance_error": ("concept",),
        "removed": ("asked", "concept"),
        "kept": ("asked", "logit"),
        "asked": ("asked",),
        "same": ("asked",),
        "windows": ("crop", "place"),
        "crops": ("crop", "concept"),
        "pictures": ("picture",),
    }
    for name, axis in axes.items():
        store.write_array(group, name, getattr(found, name), axis)
    largest = float(found.maps.max(initial=0))
    scale = float(np.ldexp(1.0, int(np.frexp(largest)[1]))) if largest > 0 else 1.0
    small = np.clip(found.maps / scale, 0, _LARGEST).astype(np.float16)
    dataset = store.write_array(
        group, "maps", small, ("picture", "height", "width", "concept"), **(DEFLATED if small.size else {})
    )
    dataset.attrs["scale"] = scale


def read_found(group: h5py.Group) -> Found:
    """The concepts that were found for a class."""
    names = [field.name for field in dataclasses.fields(Found) if field.name != "maps"]
    maps = group["maps"]
    return Found(
        **{name: group[name][()] for name in names}, maps=maps[()].astype(np.float32) * np.float32(maps.attrs["scale"])
    )
