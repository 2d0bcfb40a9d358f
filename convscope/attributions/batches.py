"""Running many changed copies of an image through a network, a batch at a time."""

from collections.abc import Callable, Iterator

import numpy as np

# Images (N, H, W, C) in model space -> one row or one number an image.
Predict = Callable[[np.ndarray], np.ndarray]


def in_batches(total: int, batch: int) -> Iterator[slice]:
    """The slices that cut `total` things in batches; the last one may be short."""
    for start in range(0, total, batch):
        yield slice(start, min(start + batch, total))


def padded(function: Predict, images: np.ndarray, batch: int) -> np.ndarray:
    """Call a function on a batch that is filled up to its full length, so that a traced graph sees one shape alone.

    Args:
        function: images -> array whose first dimension is the image.
        images: (n, H, W, C), 1 <= n <= batch.
        batch: the length the function is called with.

    Returns:
        The function's first n rows.
    """
    missing = batch - len(images)
    if missing:
        images = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
    return np.asarray(function(images))[: batch - missing]
