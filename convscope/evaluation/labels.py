"""Where the classes of a dataset meet the classes of a model."""

from collections.abc import Sequence

import numpy as np

from convscope.data.groups import plain
from convscope.errors import UserError, nearest
from convscope.models.spec import ModelSpec


def label_map(spec: ModelSpec, dataset_classes: Sequence[str]) -> list[int]:
    """For each class of a data set, in label order, its index among the model's classes.

    Classes are matched by name, without regard to case and to a plural s ("Cats" is "cat"). Where no name fits but
    there are as many as the model has, the order counts: class 0 of the one is class 0 of the other.

    Raises:
        UserError: some names fit and others do not, or none does and the numbers differ.
    """
    known = {plain(name): index for index, name in enumerate(spec.classes)}
    found = [known.get(plain(name)) for name in dataset_classes]
    if all(index is None for index in found) and len(dataset_classes) == len(spec.classes):
        return list(range(len(spec.classes)))
    for name, index in zip(dataset_classes, found, strict=True):
        if index is None:
            raise UserError(f"model '{spec.name}' has no class '{name}' of the data set; {nearest(name, spec.classes)}")
    return [index for index in found if index is not None]


def labels_for(rows: Sequence[dict[str, str]], classes: Sequence[str]) -> np.ndarray:
    """Labels of an image set's rows as a model numbers its classes, (N,) int64; -1 where the truth is unknown to it.

    Names are matched as in `label_map`. A cat in front of a model that knows a thousand other classes has no true class; only
    where no name fits and the numbers run over just as many classes as the model has do they count themselves.
    """
    index = {plain(name): position for position, name in enumerate(classes)}
    found = [index.get(plain(row["class"]), -1) for row in rows]
    numbers = [int(row["label"]) for row in rows]
    if all(label < 0 for label in found) and max(numbers, default=-1) + 1 == len(classes):
        found = numbers
    return np.asarray(found, np.int64)


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
