"""Maps made small, so that they can be compared: means over equal areas, divided by all the heat there is."""

import h5py
import numpy as np
from numpy.typing import NDArray

from convscope.attributions.base import heat
from convscope.attributions.names import METHODS as ATTRIBUTIONS

SIDE = 20  # of a map when it is compared; smaller ones are taken as they are
_BLOCK = 64  # maps read at once

Grids = NDArray[np.float32]


def area_shares(size: int, parts: int) -> NDArray[np.float64]:
    """(parts, size): which share each of `size` pixels has in the mean of each of `parts` equal areas; rows add up to 1."""
    edges = np.linspace(0, size, parts + 1)
    pixels = np.arange(size)
    overlap = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    return np.clip(overlap, 0, 1) * parts / size


def area_means(maps: np.ndarray, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Means over equal areas: (..., H, W) -> (..., *shape)."""
    rows, columns = (area_shares(size, parts) for size, parts in zip(maps.shape[-2:], shape, strict=True))
    return np.asarray(rows @ np.asarray(maps, np.float64) @ columns.T)


def heat_of(method: str, raw: np.ndarray) -> NDArray[np.float64]:
    """One value a pixel of a method's raw maps: (N, h, w[, C]) -> (N, h, w)."""
    known = ATTRIBUTIONS.get(method)
    return np.asarray(heat(raw, known.signed if known else False), np.float64)


def evidence(method: str, raw: np.ndarray) -> NDArray[np.float64]:
    """What of a method's raw maps speaks for the class: (N, h, w[, C]) -> (N, h, w), 0 or more; a map that is not finite is 0."""
    values = np.maximum(heat_of(method, raw), 0)
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=(1, 2)))
    return np.where(whole[:, None, None], values, 0.0)


def normalised(grids: np.ndarray) -> Grids:
    """Each map divided by all its heat, so that a sure answer and a doubtful one that look at the same place are alike."""
    total = grids.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    return np.divide(grids, total, out=np.zeros(grids.shape, np.float64), where=total > 0).astype(np.float32)


def read_grids(file: h5py.File, method: str) -> tuple[Grids, NDArray[np.int64], NDArray[np.bool_]]:
    """The maps of a whole set made small, some at a time.

    Of each picture that of the predicted class, or of the first class explained.

    Args:
        file: of gathered maps: `maps` (image, target, height, width[, colour]), `targets` (image, target) and `predicted` (image).
        method: of the maps.

    Returns:
        Grids (N, h, w), h and w at most 20, each of sum 1 or, without any heat, 0; the class of each (N,), -1 for none;
        and whether the map has heat (N,).
    """
    maps = file["maps"]
    count, (height, width) = len(maps), maps.shape[2:4]
    shape = min(SIDE, height), min(SIDE, width)
    grids = np.zeros((count, *shape), np.float32)
    explained = np.asarray(file["targets"][()]).reshape(count, -1)
    predicted = np.asarray(file["predicted"][()])
    columns = np.argmax(explained == predicted[:, None], axis=1) if count else np.zeros(0, int)
    classes = explained[np.arange(count), columns].astype(np.int64)
    for start in range(0, count, _BLOCK):
        block = maps[start : start + _BLOCK]
        chosen = block[np.arange(len(block)), columns[start : start + _BLOCK]]
        grids[start : start + _BLOCK] = normalised(area_means(evidence(method, chosen), shape))
    return grids, np.where(classes >= 0, classes, -1), np.asarray(grids.any(axis=(1, 2)))
