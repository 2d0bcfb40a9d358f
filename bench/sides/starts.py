"""The images that every side starts from: the same as the pipeline's, so that pictures can be compared."""

import numpy as np

from convscope.filters.parameterisations import filter_generator


def start_images(seed: int, layer: str, channels: list[int], size: int) -> np.ndarray:
    """(N, size, size, 3) float32, uniform in 0.4..0.6."""
    shape = (size, size, 3)
    return np.stack([filter_generator(seed, layer, c).uniform(0.4, 0.6, shape) for c in channels]).astype(np.float32)
