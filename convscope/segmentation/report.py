"""The tables of predicted masks: of all pictures, of every class, and of every picture."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.segmentation.metrics import Counts, Numbers, iou, mean_known, pixel_accuracy

CLASS_COLUMNS = ("class", "iou", "iou_of_pictures", "pictures", "precision", "recall", "pixels", "predicted")


def picture_columns(classes: Sequence[str]) -> list[str]:
    """Columns of the table of pictures."""
    return [
        "id",
        "path",
        "class",
        "mean_iou",
        "pixel_accuracy",
        *(f"iou_{name}" for name in classes),
        "ignored",
        "known",
    ]


def metrics(numbers: Numbers | None, classes: Sequence[str], ignored: int) -> dict[str, Any]:
    """What is known of all pictures with a mask, as JSON; what is no number is left out.

    Args:
        numbers: None where no picture has a mask.
        classes: names.
        ignored: pixels of these pictures without a truth.
    """
    if numbers is None:
        return {}
    found: dict[str, Any] = {
        "pixels": int(numbers.counts.sum()),
        "ignored": ignored,
        "pixel_accuracy": numbers.pixel_accuracy,
        "no_information_rate": numbers.no_information_rate,
        "mean_iou": numbers.mean_iou,
        "mean_iou_of_pictures": numbers.mean_iou_of_pictures,
        "no_information_iou": numbers.no_information_iou,
        "confusion": numbers.counts.tolist(),
    }
    found = {key: value for key, value in found.items() if not (isinstance(value, float) and math.isnan(value))}
    by_class = {name: dataclasses.asdict(row) for name, row in zip(classes, numbers.classes, strict=True)}
    for row in by_class.values():
        for key in [key for key, value in row.items() if isinstance(value, float) and math.isnan(value)]:
            del row[key]
    return {**found, "classes": by_class}


def class_rows(numbers: Numbers | None, classes: Sequence[str]) -> list[dict[str, Any]]:
    """A row a class."""
    if numbers is None:
        return []
    return [
        {"class": name, **{key: _cell(value) for key, value in dataclasses.asdict(row).items()}}
        for name, row in zip(classes, numbers.classes, strict=True)
    ]


def picture_rows(
    about: Sequence[tuple[str, str, str]],
    counts: Counts,
    ignored: np.ndarray,
    known: np.ndarray,
    classes: Sequence[str],
) -> list[dict[str, Any]]:
    """A row a picture, in their order.

    Args:
        about: id, path and class of each.
        counts: (N, classes, classes).
        ignored: (N,) pixels without a truth.
        known: (N,) whether it has a mask.
        classes: names.
    """
    own, right = iou(counts), pixel_accuracy(counts)
    means = mean_known(own, axis=1)
    rows = []
    for index, (identity, path, name) in enumerate(about):
        row: dict[str, Any] = {"id": identity, "path": path, "class": name, "known": bool(known[index])}
        row |= {"mean_iou": _cell(float(means[index])), "pixel_accuracy": _cell(float(right[index]))}
        row |= {f"iou_{name}": _cell(float(own[index, c])) for c, name in enumerate(classes)}
        rows.append({**row, "ignored": int(ignored[index]) if known[index] else ""})
    return rows


def worst(counts: Counts, known: np.ndarray, most: int) -> list[int]:
    """The pictures with the lowest mean IoU, at most so many, the worst first; of equal ones the first."""
    means = mean_known(iou(counts), axis=1)
    found = [index for index in np.argsort(means, kind="stable") if known[index] and not math.isnan(means[index])]
    return [int(index) for index in found[:most]]


def spread(count: int, most: int) -> list[int]:
    """At most so many of the first `count` numbers, evenly over them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)).tolist() if count else []


def sentence(numbers: Numbers, classes: Sequence[str]) -> str:
    """In a line what the masks are worth; both means where they differ."""
    if not numbers.counts.any():
        return "the masks of these pictures tell the class of no pixel: nothing to compare with"
    by_class = ", ".join(
        f"{name} {row.iou:.3f}" for name, row in zip(classes, numbers.classes, strict=True) if not math.isnan(row.iou)
    )
    own = numbers.mean_iou_of_pictures
    other = f" (mean over pictures {own:.3f})" if f"{own:.3f}" != f"{numbers.mean_iou:.3f}" else ""
    return f"mean IoU {numbers.mean_iou:.3f}{other}: {by_class}; {numbers.pixel_accuracy:.1%} of the pixels right"


def _cell(value: float | int) -> float | int | str:
    if isinstance(value, float):
        return "" if math.isnan(value) else round(value, 6)
    return value
