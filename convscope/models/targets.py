"""Which class of each picture is explained."""

import numpy as np

from convscope.errors import UserError
from convscope.models.spec import ModelSpec


def target_classes(
    spec: ModelSpec, predicted: np.ndarray, labels: np.ndarray, wanted: str | int, key: str
) -> np.ndarray:
    """The classes to explain, (N, T) int64: one an image, or all of them.

    Args:
        spec: the model's classes.
        predicted: (N,) the class predicted for each image.
        labels: (N,) the true class, -1 unknown.
        wanted: "predicted", "true", "all", a class name or an index.
        key: the config's key, for the message.

    Raises:
        UserError: "true" for images without a label, or an unknown class.
    """
    if wanted == "predicted":
        return np.asarray(predicted, np.int64)[:, None]
    if wanted == "true":
        if (np.asarray(labels) < 0).any():
            raise UserError(
                f"{key}: class 'true' needs labels, and some images have none; use class: predicted or name a class"
            )
        return np.asarray(labels, np.int64)[:, None]
    if wanted == "all":
        return np.tile(np.arange(len(spec.classes)), (len(predicted), 1))
    return np.full((len(predicted), 1), spec.class_index(wanted), np.int64)
