"""How the image of an ascent is held in variables."""

import zlib

import numpy as np


def filter_generator(seed: int, layer: str, channel: int) -> np.random.Generator:
    """Random numbers that belong to one filter: a stateless function of the run's seed, the layer and the channel.

    The same filter starts the same on any machine, in any batch and in any order.
    """
    return np.random.default_rng([seed, zlib.crc32(layer.encode()), channel])


class Pixels:
    """The image itself, each pixel a variable, in a space where black is -1 and white is 1.

    Args:
        size: side of the square image.
        start: range of the uniform random start.
    """

    def __init__(self, size: int, start: tuple[float, float]) -> None:
        self.size, self.start = size, start

    def begin(self, seed: int, layer: str, channels: list[int]) -> np.ndarray:
        """Start images, (N, size, size, 3) float32, one a channel."""
        shape = (self.size, self.size, 3)
        low, high = self.start
        return np.stack([filter_generator(seed, layer, c).uniform(low, high, shape) for c in channels]).astype(
            np.float32
        )
