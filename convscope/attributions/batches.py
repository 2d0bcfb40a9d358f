"""What the methods that change the image share: batches of changed copies, the score of one class, a colour in model space."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from convscope.errors import UserError
from convscope.models.spec import ModelSpec

# Images (N, H, W, C) in model space -> a number, or a row of numbers, an image.
Predict = Callable[[np.ndarray], np.ndarray]
BATCH = 32


def in_batches(total: int, batch: int = BATCH) -> Iterator[slice]:
    """The slices that cut `total` things in batches; the last one may be short."""
    for start in range(0, total, batch):
        yield slice(start, min(start + batch, total))


def score_of(scores: Any, target: int) -> Predict:
    """The logit of one class as a function of images: (N, H, W, C) -> (N,) float32.

    Args:
        scores: the network, a `class_scores.ClassScores`.
        target: the class.
    """
    return lambda images: scores.spec.class_scores(scores.logits(images, BATCH))[:, target]


def to_be_cut(images: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """What segments of like colour are looked for in: pictures as people see them; of bands all, whichever are shown.

    Args:
        images: (N, H, W, C) float32 in model space.
        spec: the model that takes them.

    Returns:
        (N, H, W, 3) float, RGB in 0..1, which is compared in Lab; of bands (N, H, W, C), on a scale where a change of them all counts
        like one of brightness in Lab, which ends at 100 (see `in_lab`).
    """
    if spec.channels != "bands":
        return spec.seen(images) / 255
    return spec.to_pixels(images) / 255 * np.float32(100 / spec.depth**0.5)


def in_lab(spec: ModelSpec) -> bool:
    """Whether what `to_be_cut` gives is colours."""
    return spec.channels != "bands"


def fill_colour(colour: Sequence[float], spec: ModelSpec, key: str) -> np.ndarray:
    """A colour of the config, RGB 0..255, in model space: (C,) float32, its luma for a model that takes gray, opaque for RGBA.

    Args:
        colour: red, green, blue.
        spec: the model that takes it.
        key: the config key, for the message.

    Raises:
        UserError: not three numbers from 0 to 255, or not three equal ones for a model that takes bands.
    """
    numbers = isinstance(colour, list | tuple) and all(isinstance(value, int | float) for value in colour)
    values = np.asarray(colour if numbers else (), np.float32)
    if values.shape != (3,) or not ((values >= 0) & (values <= 255)).all():
        raise UserError(f"{key} is {colour}; give red, green and blue from 0 to 255, such as [128, 128, 128]")
    try:
        return spec.colour(values.tolist())
    except ValueError as error:
        raise UserError(f"{key} is {colour}: {error}") from None
