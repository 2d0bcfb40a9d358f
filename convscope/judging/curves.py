"""Insertion and deletion curves: how the class probability answers to the pixels that a map calls important."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import correlate1d

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Curves:
    """Curves of N images over S + 1 points.

    Attributes:
        fractions: (S + 1,) float64, share of the pixels deleted or inserted, 0 to 1.
        deletion: (N, S + 1) float32, probability of the target as the most important pixels go first.
        insertion: (N, S + 1) float32, the same as they come first.
    """

    fractions: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray

    def areas(self) -> dict[str, np.ndarray]:
        """AUC of each image, (N,) float64 each: `deletion`, `insertion`, and `faithfulness`, their difference."""
        deletion, insertion = area(self.fractions, self.deletion), area(self.fractions, self.insertion)
        return {"deletion": deletion, "insertion": insertion, "faithfulness": insertion - deletion}


def area(fractions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Area under piecewise linear curves by the trapezoid rule: (P,) and (N, P) -> (N,) float64."""
    return np.asarray(np.trapezoid(np.asarray(values, np.float64), np.asarray(fractions, np.float64), axis=1))


def ranking(heat: np.ndarray, key: str, seed: int = 0) -> np.ndarray:
    """Flat indices of a map's pixels, the most important first.

    The sort is stable over a permutation of the pixels that belongs to (seed, key): pixels of equal value come in a
    random order of their own, the same for every method on that picture. Any fixed order (row by row, say) would make
    something of a flat map that is not in it; with this rule a flat map's curve is chance, and so is the tail of a map
    that is zero over half the picture.

    Args:
        heat: (H, W) float, finite.
        key: the image's id.
        seed: of the run.

    Raises:
        ValueError: the map is not finite.
    """
    if not np.isfinite(heat).all():
        raise ValueError("a map with values that are not finite cannot be ranked")
    order = np.random.default_rng([seed, zlib.crc32(key.encode())]).permutation(heat.size)
    return order[np.argsort(-heat.ravel()[order], kind="stable")]


@cache
def _taps(width: int, sigma: float) -> np.ndarray:
    offsets = np.arange(width) - (width - 1) / 2
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    return taps / taps.sum()


def blur(images: np.ndarray, width: int = 11, sigma: float = 5.0) -> np.ndarray:
    """Gaussian blur with a window of `width` x `width` pixels: (N, H, W, C) -> the same shape, float32.

    At the border the picture's edge is continued: padding with zeros would frame it in a colour that means something else
    in every model space.
    """
    taps = _taps(width, sigma)
    rows = correlate1d(np.asarray(images, np.float64), taps, axis=1, mode="nearest")
    return correlate1d(rows, taps, axis=2, mode="nearest").astype(np.float32)


def curves(
    images: np.ndarray,
    heat: np.ndarray,
    targets: np.ndarray,
    predict: Predict,
    keys: Sequence[str],
    *,
    steps: int = 56,
    batch: int = 64,
    seed: int = 0,
) -> Curves:
    """Deletion to the picture's mean colour and insertion into its blur (RISE: Petsiuk et al. 2018, 1806.07421).

    Both work on probabilities, not logits, at the picture's own resolution, in `steps` equal shares of its pixels.

    Args:
        images: (N, H, W, C) float32 in model space.
        heat: (N, H, W) float, larger is more important; already at the picture's resolution.
        targets: (N,) int, the class whose probability is followed.
        predict: model-space images (B, H, W, C) -> probabilities (B, classes). Always called with `batch` images.
        keys: image ids, for the order of equal values (see `ranking`).
        steps: points of the curve after the first; never more than there are pixels.
        batch: images a forward pass.
        seed: of the run.

    Raises:
        ValueError: shapes that do not fit.
    """
    images = np.asarray(images, np.float32)
    count, height, width = images.shape[:3]
    if heat.shape != (count, height, width):
        raise ValueError(f"maps of shape {heat.shape} do not fit images of shape {images.shape}")
    pixels = height * width
    counts = np.unique(np.rint(np.linspace(0, pixels, min(steps, pixels) + 1)).astype(int))
    # The place of each pixel in its ranking: pixel p is touched at the first point with counts > place[p].
    places = np.empty((count, pixels), np.int64)
    for index, key in enumerate(keys):
        places[index, ranking(heat[index], key, seed)] = np.arange(pixels)
    means = np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    blurred = blur(images)
    # Deletion starts at the picture and ends at its mean colour; insertion starts at the blur and ends at the picture.
    jobs = [(kind, index, point) for kind in (0, 1) for index in range(count) for point in range(len(counts))]
    found = np.empty((2, count, len(counts)), np.float32)
    for start in range(0, len(jobs), batch):
        part = jobs[start : start + batch]
        stack = np.empty((len(part), height, width, images.shape[3]), np.float32)
        for row, (kind, index, point) in enumerate(part):
            before, after = ((images, means), (blurred, images))[kind]
            touched = (places[index] < counts[point]).reshape(height, width, 1)
            stack[row] = np.where(touched, after[index], before[index])
        filled = np.concatenate([stack, np.repeat(stack[:1], batch - len(part), axis=0)])
        probabilities = np.asarray(predict(filled))[: len(part)]
        for row, (kind, index, point) in enumerate(part):
            found[kind, index, point] = probabilities[row, targets[index]]
    return Curves(counts / pixels, found[0], found[1])
