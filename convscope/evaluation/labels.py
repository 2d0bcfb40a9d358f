"""Where the classes of a dataset meet the classes of a model."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from convscope.data.folders import natural_key
from convscope.data.groups import label_names, same_classes
from convscope.errors import UserError, nearest
from convscope.models.spec import ModelSpec

_WORDNET = re.compile("n[0-9]{8}")


def label_map(spec: ModelSpec, dataset_classes: Sequence[str], numbers: Sequence[int] | None = None) -> list[int]:
    """For each class of a data set, in label order, its index among the model's classes.

    `numbers` are the labels of these classes, where some have no pictures (None: 0, 1, 2 ...).

    Classes are matched by name, without regard to case and to a plural s where that leaves no doubt ("Cats" is "cat", see
    `groups.same_classes`). Where no name fits but there are as many as the model has, the order counts: class 0 of the one is class 0
    of the other. A WordNet number ("n02123045") is the ImageNet class of that number.

    Raises:
        UserError: some names fit and others do not; none does, and the numbers differ or the order is in doubt; or a name may mean
            several classes.
    """
    found = _by_name(spec.classes, dataset_classes)
    numbers = range(len(dataset_classes)) if numbers is None else numbers
    if all(index is None for index in found) and max(numbers, default=-1) + 1 == len(spec.classes):
        if order_in_doubt(dataset_classes, 0 if len(numbers) == len(spec.classes) else len(spec.classes)):
            raise UserError(
                f"model '{spec.name}' has other class names than the data set, and the order of the data set's is in doubt: by letter "
                f"it is {', '.join(sorted(dataset_classes)[:4])} ..., and many programs train by letter; "
                f"write the data set's names under models.{spec.name}.classes, in the order of the model's outputs"
            )
        return list(numbers)
    for name, index in zip(dataset_classes, found, strict=True):
        if index is None:
            raise UserError(f"model '{spec.name}' has no class '{name}' of the data set; {nearest(name, spec.classes)}")
    return [index for index in found if index is not None]


def order_in_doubt(names: Sequence[str], count: int = 0) -> bool:
    """Whether names stand in their natural order and by letter it is another one: 2 before 10. Keras sorts folders by letter.

    Args:
        names: some of the classes, in the order of their numbers.
        count: how many classes there are in all.
    """
    shorter = any(name.isdecimal() and len(name) < len(str(count - 1)) for name in names) if count else False
    return shorter or (list(names) == sorted(names, key=natural_key) and list(names) != sorted(names))


def labels_for(rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> np.ndarray:
    """Labels of an image set's rows as a model numbers its classes, (N,) int64; -1 where the truth is unknown to it.

    Names are matched as in `label_map`. A cat in front of a model that knows a thousand other classes has no true class; only
    where no name fits and the dataset has just as many classes as the model do its numbers count themselves.

    Args:
        rows: of the whole set: a part of it may lack the last class, and the names that fit.
        classes: of the model.

    Raises:
        UserError: a name may mean several classes.
    """
    named = {row["class"]: int(row["label"]) for row in rows if row["class"]}
    index = dict(zip(named, _by_name(classes, list(named)), strict=True))
    numbers = [int(row["label"]) for row in rows]
    if all(label is None for label in index.values()):
        count = max([int(row.get("classes") or 0) for row in rows] + [max(numbers, default=-1) + 1], default=0)
        in_order = sorted(named, key=lambda name: named[name])
        if count == len(classes) and not order_in_doubt(in_order, count):
            return np.asarray(numbers, np.int64)
        return np.full(len(rows), -1, np.int64)
    found = [index.get(row["class"]) for row in rows]
    return np.asarray([-1 if label is None else label for label in found], np.int64)


def label_matrix(rows: Sequence[Mapping[str, str]], classes: Sequence[str], strict: bool = True) -> np.ndarray:
    """Which labels of a model each picture has, bool (N, classes): those of its cell `labels`, or its one class.

    Raises:
        UserError: a label of the dataset that the model does not know (where `strict`), or a name that may mean several.
    """
    given = [_labels(row) for row in rows]
    names = list(dict.fromkeys(name for labels in given for name in labels))
    index = dict(zip(names, _by_name(classes, names), strict=True))
    truth = np.zeros((len(rows), len(classes)), bool)
    for row, labels in enumerate(given):
        for name in labels:
            if (column := index[name]) is None:
                if not strict:
                    continue
                raise UserError(f"the model has no label '{name}' of the data set; {nearest(name, classes)}")
            truth[row, column] = True
    return truth


def _labels(row: Mapping[str, str]) -> tuple[str, ...]:
    text = row.get("labels", "")
    return label_names(text) if text else tuple(filter(None, [row["class"]]))


def _by_name(classes: Sequence[str], names: Sequence[str]) -> list[int | None]:
    known = list(classes)
    if not set(known) & set(names):
        # A model that calls its classes by number meets folders that are called by name.
        known = [_spoken(name) if _WORDNET.fullmatch(name) else name for name in known]
    index = {name: position for position, name in enumerate(known)}
    found = same_classes([_meant(name, index) for name in names], known)
    return [None if name is None else index[name] for name in found]


def _meant(name: str, index: Mapping[str, int]) -> str:
    """What a folder with a WordNet number is called otherwise: n02085620, or n02085620-Chihuahua."""
    if name in index:
        return name
    if _WORDNET.fullmatch(name):
        return _spoken(name)
    both = re.fullmatch(rf"({_WORDNET.pattern})[-_ ](.+)", name)
    return name if both is None else both[1] if both[1] in index else both[2]


def _spoken(number: str) -> str:
    """ImageNet's class name of a WordNet number, by which its folders are called; the number where ImageNet has no such class."""
    from convscope.models.presets import imagenet_numbers  # keras-hub, for these folders alone

    return imagenet_numbers().get(number, number)
