"""Pictures without their layout: what two maps of unlike pictures share is the architecture's doing."""

import zlib
from collections.abc import Sequence

import numpy as np


def scrambled(images: np.ndarray, keys: Sequence[str], seed: int = 0) -> np.ndarray:
    """Pictures with the same frequencies, colours and contrast, and nothing where it was: their phases are random.

    The phases are what makes the layout (Oppenheim & Lim 1981, Proc. IEEE 69, 529); those of white noise, the same for all
    channels, are added, which keeps each spectrum and how the channels go together (surrogates as of Theiler et al. 1992, Physica
    D 58, 77). The result is clipped to the range of its picture.

    Args:
        images: (N, H, W, C) float.
        keys: ids; the noise belongs to (seed, key).
        seed: of the run.

    Returns:
        (N, H, W, C) float32.
    """
    images = np.asarray(images, np.float64)
    result = np.empty(images.shape, np.float32)
    for index, key in enumerate(keys):
        noise = np.random.default_rng([seed, zlib.crc32(key.encode()), 3]).normal(size=images.shape[1:3])
        phases = np.fft.fft2(noise)
        phases /= np.abs(phases)
        phases[0, 0] = 1.0  # the mean stays
        mixed = np.fft.ifft2(np.fft.fft2(images[index], axes=(0, 1)) * phases[..., None], axes=(0, 1)).real
        result[index] = np.clip(mixed, images[index].min(axis=(0, 1)), images[index].max(axis=(0, 1)))
    return result


def other_keys(keys: Sequence[str]) -> list[str]:
    """Ids for the scrambled pictures: what a method draws at random for them is not what it drew for their pictures."""
    return [f"{key}/scrambled" for key in keys]
