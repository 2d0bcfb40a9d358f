"""Control maps: explanations that know nothing of the model. A method that cannot beat them explains nothing either."""

import zlib
from collections.abc import Sequence

import numpy as np
from scipy.ndimage import sobel

_LUMINANCE = np.array([0.299, 0.587, 0.114])


def centre_blob(images: np.ndarray, keys: Sequence[str], seed: int = 0) -> np.ndarray:
    """A Gaussian in the middle, its standard deviation a quarter of each side: most photos have their subject there.

    (N, H, W, 3) -> (N, H, W) float32, 0..1; pictures and keys do not matter.
    """
    height, width = images.shape[1:3]
    y, x = ((np.arange(n) + 0.5) / n - 0.5 for n in (height, width))
    blob = np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * 0.25**2))
    return np.repeat(blob[None].astype(np.float32), len(images), axis=0)


def edges(images: np.ndarray, keys: Sequence[str], seed: int = 0) -> np.ndarray:
    """Magnitude of the Sobel gradient of the luminance: (N, H, W, 3) RGB pixels -> (N, H, W) float32, >= 0."""
    # One picture at a time: the filter smooths along every other axis, across the pictures of a batch too.
    gray = np.asarray(images, np.float64) @ _LUMINANCE
    maps = [np.hypot(sobel(g, axis=0, mode="nearest"), sobel(g, axis=1, mode="nearest")) for g in gray]
    return np.stack(maps).astype(np.float32) if maps else np.zeros(gray.shape, np.float32)


def random(images: np.ndarray, keys: Sequence[str], seed: int = 0) -> np.ndarray:
    """Uniform noise that belongs to (seed, key), (N, H, W) float32: what chance gets."""
    shape = images.shape[1:3]
    maps = [np.random.default_rng([seed, zlib.crc32(key.encode()), 1]).random(shape) for key in keys]
    return np.stack(maps).astype(np.float32) if maps else np.zeros((0, *shape), np.float32)


# By the names of `names.CONTROLS`; each takes pictures in 0..255 RGB, keys and the run's seed.
MAPS = {"centre_blob": centre_blob, "edges": edges, "random": random}
