"""Which pictures and classes are looked at."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from convscope.models.spec import ModelSpec
from convscope.vectors.names import LEAST_PICTURES, MOST_CLASSES

Row = TypeVar("Row")


def spread_rows(rows: Sequence[Row], most: int) -> list[Row]:
    """At most so many rows of a table, evenly spread."""
    if len(rows) <= most:
        return list(rows)
    return [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(int)]


def content_of(row: Mapping[str, str]) -> str:
    """What two rows have in common that are of the same picture under two names: its digest."""
    return row["sha256"] or row["path"]


def without_copies(rows: Sequence[Row], but: Iterable[str] = ()) -> list[Row]:
    """Of rows of a table the first of each content, but for those of some contents."""
    known = set(but)
    found = []
    for row in rows:
        content = content_of(row)  # type: ignore[arg-type]
        if content not in known:
            found.append(row)
        known.add(content)
    return found


def chosen_classes(
    spec: ModelSpec, predicted: NDArray[np.integer], wanted: Any, key: str
) -> list[tuple[int, NDArray[np.int64]]]:
    """The classes that are looked at, each with the pictures that the model takes for it; of numbers each with all pictures.

    Args:
        spec: of the model.
        predicted: (N,), what each picture is taken for.
        wanted: "all", or names and indices; of all those that most pictures are taken for, of numbers the first ones.
        key: of the config, for messages.

    Returns:
        Classes in the order of the model, those of fewer than `names.LEAST_PICTURES` pictures left out.

    Raises:
        UserError: there is no such class.
    """
    counts = np.bincount(predicted, minlength=len(spec.classes))
    if spec.head == "regression":  # no picture is one output's rather than another's
        counts = np.full(len(spec.classes), len(predicted))
    if wanted == "all":
        order = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
        indices = sorted(int(index) for index in order)
    else:
        indices = list(dict.fromkeys(spec.class_index(each) for each in wanted))
    every = np.arange(len(predicted))
    return [
        (index, every if spec.head == "regression" else np.flatnonzero(predicted == index))
        for index in indices
        if counts[index] >= LEAST_PICTURES
    ]
