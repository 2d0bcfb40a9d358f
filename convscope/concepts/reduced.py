"""Masks at the size of a network's input brought down to the size at which they are kept, by majority."""

import numpy as np
from numpy.typing import NDArray

# Masks' longest side: as many pixels as the 112 x 112 of network dissection's own (Bau et al. 2017), a quarter of a photo's.
LONGEST = 112


def mask_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of the masks of a network with that input: scaled so that the longest side is at most `LONGEST`."""
    longest = max(size)
    if longest <= LONGEST:
        return size
    height, width = (max(round(side * LONGEST / longest), 1) for side in size)
    return height, width


class Reduction:
    """From one size to a smaller one: the area that each small pixel covers, exactly.

    Areas are whole numbers (shares of a pixel in units of 1 over both sides), so that no rounding decides a tie, on any machine.

    Args:
        size: (height, width) of what is brought down.
        to: that of the result.
    """

    def __init__(self, size: tuple[int, int], to: tuple[int, int]) -> None:
        self.size, self.to = size, to

    def areas(self, masks: np.ndarray) -> NDArray[np.int64]:
        """How much of every small pixel is covered: (..., H, W) bool -> (..., h, w), whole numbers up to H W."""
        by_row = _shares(masks.astype(np.int64), self.to[1])
        return np.swapaxes(_shares(np.swapaxes(by_row, -1, -2), self.to[0]), -1, -2)

    def known(self, known: np.ndarray) -> NDArray[np.bool_]:
        """Pixels of which at least half is known: (H, W) bool -> (h, w) bool."""
        return self.areas(known) * 2 >= self.size[0] * self.size[1]

    def labels(self, labels: np.ndarray, known: np.ndarray) -> NDArray[np.int64]:
        """Of every small pixel the label that most of its known part has, the lowest of equals.

        Args:
            labels: (H, W) integers.
            known: (H, W) bool.

        Returns:
            (h, w); where nothing is known, -1.
        """
        values = np.unique(labels[known])
        if not len(values):
            return np.full(self.to, -1, np.int64)
        areas = self.areas((labels == values[:, None, None]) & known)
        most = values[np.argmax(areas, axis=0)].astype(np.int64)
        return np.where(areas.max(axis=0) > 0, most, -1)


def _shares(values: NDArray[np.int64], target: int) -> NDArray[np.int64]:
    """Sums over equal shares of the last dimension, in units of 1/target of a value: (..., source) -> (..., target)."""
    source = values.shape[-1]
    whole, part = np.divmod(np.arange(target + 1) * source, target)
    before = np.zeros((*values.shape[:-1], source + 1), np.int64)
    np.cumsum(values, axis=-1, out=before[..., 1:])
    until = before[..., whole] * target + part * values[..., np.minimum(whole, source - 1)]
    return np.diff(until, axis=-1)
