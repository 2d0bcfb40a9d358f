"""What a dataset says of its pictures, as a model counts classes, labels or numbers."""

from collections.abc import Mapping, Sequence

import numpy as np

from convscope.data.groups import label_names
from convscope.errors import UserError
from convscope.evaluation.labels import label_map, label_matrix
from convscope.evaluation.rows import Truths
from convscope.models.spec import ModelSpec

Rows = Sequence[Mapping[str, str]]


def truths_of(spec: ModelSpec, table: Rows, rows: Rows) -> Truths:
    """What is known of some pictures of a dataset.

    Of a model of many labels, the cell `labels` counts, or the one class of each picture; of a regression, the cell `target`, or
    class names that are numbers (folders called 20, 21, 22 ...). Where a dataset says nothing of the kind (numbers to a model of
    labels), nothing is known; nor, to a model of one class each, of a picture with several labels or none.

    Args:
        spec: the model.
        table: the dataset's whole table of pictures: its names settle which class is which.
        rows: those of it that are predicted.

    Raises:
        UserError: the classes do not fit (see `label_map`), or the numbers do not.
    """
    classes = [row["class"] for row in rows]
    unknown = np.full(len(rows), -1, np.int64)
    if spec.head == "regression":
        return Truths(classes, unknown, numbers=_numbers(spec, rows))
    if spec.head == "multilabel":
        if not any(row.get("labels") or row["class"] for row in rows):
            return Truths(classes, unknown)
        many = label_matrix(rows, spec.classes)
        return Truths(classes, np.where(many.any(axis=1), many.argmax(axis=1), -1), many=many)
    names = {int(row["label"]): row["class"] for row in table if int(row["label"]) >= 0}
    numbers = sorted(names)
    index_of = dict(zip(numbers, label_map(spec, [names[i] for i in numbers], numbers), strict=True))
    of_one = [int(row["label"]) if len(label_names(row.get("labels") or "one")) == 1 else -1 for row in rows]
    return Truths(classes, np.array([index_of.get(label, -1) for label in of_one], np.int64))


def by_order(spec: ModelSpec, table: Rows, truths: Truths) -> str:
    """Which class of a dataset is which of the model's, where that is by their numbers alone; "" where the names say it."""
    if spec.head not in ("binary", "multiclass"):
        return ""
    pairs = {name: spec.classes[label] for name, label in zip(truths.classes, truths.labels, strict=True) if label >= 0}
    # Of the whole table: what a name means depends on the others.
    known = [{"class": name} for name in {row["class"]: None for row in table if int(row["label"]) >= 0}]
    if not pairs or label_matrix(known, spec.classes, strict=False).any():
        return ""
    names = sorted(pairs)
    return ", ".join(f"{name} is {pairs[name]}" for name in names[:10]) + (" ..." if len(names) > 10 else "")


def told(spec: ModelSpec, rows: Rows) -> list[str] | None:
    """What an image set says of its pictures beside their class, as their explanations say it; None of a model of classes.

    Of many labels those that the model knows, with | between, "|" for none of them and "" where nothing is known; of numbers the
    target.
    """
    if spec.head == "regression":
        return [row.get("target", "") for row in rows]
    if spec.head != "multilabel":
        return None
    truth = label_matrix(rows, spec.classes, strict=False)
    names = np.array(spec.classes, object)
    known = [bool(row.get("labels") or row["class"]) for row in rows]
    return [("|".join(names[there]) or "|") if is_known else "" for there, is_known in zip(truth, known, strict=True)]


def _numbers(spec: ModelSpec, rows: Rows) -> np.ndarray:
    told = any(row.get("target") for row in rows)
    found = np.full((len(rows), spec.units), np.nan)
    for index, row in enumerate(rows):
        text = row.get("target", "") if told else "" if row.get("labels") else row["class"]
        try:
            values = [float(part) for part in text.split("|")] if text else []
        except ValueError:
            if told:
                raise UserError(
                    f"{row['path']}: target '{text}' is no number; write it with a point, such as 36.5"
                ) from None
            continue
        if values and len(values) != spec.units:
            raise UserError(
                f"{row['path']}: {len(values)} numbers as target, but model '{spec.name}' has {spec.units} outputs; "
                "write one for each, with | between"
            )
        if values:
            found[index] = values
    return found
