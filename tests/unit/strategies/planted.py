"""Heatmaps with known reasons: hot around a place, which wanders a little, with noise; of any brightness."""

import numpy as np

MIDDLE, CORNER, TOP = (0.5, 0.5), (0.92, 0.1), (0.1, 0.6)


def spots(
    place: tuple[float, float], count: int, seed: int, side: int = 20, wander: float = 0.05, noise: float = 0.3
) -> np.ndarray:
    """(count, side, side) float64 maps."""
    random = np.random.default_rng(seed)
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / side
    row, column = (centre + random.normal(0, wander, (count, 1, 1)) for centre in place)
    heat = np.exp(-((y - row) ** 2 + (x - column) ** 2) / 0.02) + random.uniform(0, noise, (count, side, side))
    return np.asarray(heat * random.uniform(0.1, 10, (count, 1, 1)))


def mixed(*counts: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Maps that are hot in the middle, in the lower left corner (a watermark), and at the top; shuffled, with their kinds."""
    parts = [
        spots(place, count, 10 * seed + k)
        for k, (place, count) in enumerate(zip((MIDDLE, CORNER, TOP), counts, strict=False))
    ]
    order = np.random.default_rng(seed).permutation(sum(counts))
    return np.concatenate(parts)[order], np.repeat(np.arange(len(counts)), counts)[order]


def points_of(maps: np.ndarray) -> np.ndarray:
    """As they are compared: (n, d) float32."""
    flat = maps.reshape(len(maps), -1)
    return np.asarray(flat / flat.sum(axis=1, keepdims=True), np.float32)
