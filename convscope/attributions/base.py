"""What every attribution method takes and gives."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Attribution:
    """Maps of a batch.

    Attributes:
        maps: float32, raw (not normalised, signed where the method is): (N, H, W) or, where the method tells colours
            apart, (N, H, W, C).
        facts: numbers a picture, each of shape (N, ...): a completeness gap, a standard error.
    """

    maps: np.ndarray
    facts: dict[str, np.ndarray] = field(default_factory=dict)


class Explainer(Protocol):
    """A method made ready for one model.

    Attributes:
        name: the method's name in the config.
        signed: whether its heat has a sign: above 0 speaks for the class, below against it (see `heat`).
    """

    name: str
    signed: bool

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        """Explain a batch.

        Args:
            images: (N, H, W, C) float32 in model space.
            targets: (N,) int64, the class explained in each.
            keys: the images' ids. All that is random in an image's map comes from its id (see `generator`), so neither
                the batch nor the order changes a number.
        """
        ...


def generator(seed: int, method: str, key: str) -> np.random.Generator:
    """Random numbers of one image in one method: a stateless function of the study's seed, the method and the image's id."""
    return np.random.default_rng([seed, zlib.crc32(method.encode()), zlib.crc32(key.encode())])


def heat(maps: np.ndarray, signed: bool) -> np.ndarray:
    """One value a pixel: (N, H, W) or (N, H, W, C) -> (N, H, W) float32.

    Signed methods are summed over the colours (contributions add up), the others are `max_c |.|` (Simonyan et al. 2013,
    1312.6034). Maps without colours stay what they are.
    """
    maps = np.asarray(maps, np.float32)
    if maps.ndim == 3:
        return maps
    return maps.sum(axis=3) if signed else np.abs(maps).max(axis=3)
