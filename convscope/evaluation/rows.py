"""The table of predictions: a short row a picture; the scores of all classes lie beside it (`scores.ScoreWriter`)."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.models.spec import THRESHOLD, ModelSpec

Array = npt.NDArray[Any]
# Of so many classes the table itself says what each is given, for people with a spreadsheet.
MOST_COLUMNS = 20


@dataclasses.dataclass(frozen=True)
class Truths:
    """What is known of pictures.

    Attributes:
        classes: (N,) names of their classes in the dataset.
        labels: (N,) int, the model's number of the class, -1 unknown.
        many: bool (N, classes), of a model of many labels.
        numbers: (N, outputs) float, of a regression; NaN unknown.
    """

    classes: Sequence[str]
    labels: Array
    many: Array | None = None
    numbers: Array | None = None


@dataclasses.dataclass(frozen=True)
class KnownPredictions:
    """Predictions of pictures whose truth is known: the model's `classes`, and of each picture, (N,), its path and the first digits of
    its SHA-256. What is known and predicted, the kinds of heads add."""

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)


def prediction_columns(spec: ModelSpec) -> list[str]:
    """Columns of the table of predictions, in order."""
    known = ["path", "class", "label", "predicted", "predicted_label", "correct", "confidence", "sha256"]
    if spec.head == "regression":
        return [*known, "error", *(f"{kind}_{name}" for kind in ("output", "target") for name in spec.classes)]
    if spec.head == "multilabel":
        known += ["labels", "predicted_labels", "error"]
    if len(spec.classes) > MOST_COLUMNS:
        return known if spec.head == "multilabel" else [*known, "of_truth"]
    return known + [f"{kind}_{name}" for kind in ("p", "score") for name in spec.classes]


def prediction_rows(
    spec: ModelSpec, paths: Sequence[str], truths: Truths, logits: Array, digests: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Rows of the table of predictions.

    Of classes: truth, prediction, confidence, and, of `MOST_COLUMNS` classes at most, probability and score (logit) of each, else
    the probability `of_truth`. Of many labels: those that are there (`labels`) and that are predicted (probability of 0.5 and more),
    `predicted` the likeliest, `correct` where the two are the same, `error` the largest gap between a probability and the truth. Of a
    regression: `class` and `predicted` are the numbers, `error` the length of the error (of one output its size).

    Args:
        spec: the model.
        paths: of the pictures.
        truths: what is known of them.
        logits: (N, units).
        digests: of the files: whatever is drawn of a row is of the picture that was predicted.
    """
    probabilities, scores = spec.probabilities(logits), spec.class_scores(logits)
    for i, (path, sha256) in enumerate(zip(paths, digests, strict=True)):
        make = {"regression": _number, "multilabel": _labels}.get(spec.head, _class)
        yield {"path": path, "sha256": sha256} | make(spec, truths, i, probabilities[i], scores[i])


def _class(spec: ModelSpec, truths: Truths, i: int, p: Array, score: Array) -> dict[str, Any]:
    predicted, label = int(spec.predicted(score[None])[0]), int(truths.labels[i])
    row = {
        "class": truths.classes[i],
        "label": label,
        "predicted": spec.classes[predicted],
        "predicted_label": predicted,
        "correct": predicted == label if label >= 0 else None,
        "confidence": _round(p[predicted]),
    }
    if len(spec.classes) > MOST_COLUMNS:
        return row | {"of_truth": _round(p[label]) if label >= 0 else None}
    return row | _each(spec, p, score)


def _labels(spec: ModelSpec, truths: Truths, i: int, p: Array, score: Array) -> dict[str, Any]:
    predicted, there = int(spec.predicted(score[None])[0]), p >= THRESHOLD
    # Of a table without labels nothing is known; of a row without any it is known that there is none.
    truth = None if truths.many is None else truths.many[i]
    row = {
        "class": truths.classes[i],
        "label": int(truths.labels[i]),
        "predicted": spec.classes[predicted],
        "predicted_label": predicted,
        "correct": None if truth is None else bool((truth == there).all()),
        "confidence": _round(p[predicted]),
        "labels": "" if truth is None else _joined(spec, truth),
        "predicted_labels": _joined(spec, there),
        "error": None if truth is None else _round(np.abs(p - truth).max()),
    }
    return row if len(spec.classes) > MOST_COLUMNS else row | _each(spec, p, score)


def _number(spec: ModelSpec, truths: Truths, i: int, p: Array, score: Array) -> dict[str, Any]:
    known = truths.numbers is not None and np.isfinite(truths.numbers[i]).all()
    truth = truths.numbers[i] if known and truths.numbers is not None else np.full(len(score), np.nan)
    return {
        "class": " | ".join(f"{value:g}" for value in truth) if known else truths.classes[i],
        "label": -1,
        "predicted": " | ".join(f"{value:.4g}" for value in score),
        "predicted_label": 0,
        "correct": None,
        "confidence": None,
        "error": _round(np.linalg.norm(score - truth)) if known else None,
        **{f"output_{name}": _round(value) for name, value in zip(spec.classes, score, strict=True)},
        **{f"target_{name}": float(v) if known else None for name, v in zip(spec.classes, truth, strict=True)},
    }


def _each(spec: ModelSpec, p: Array, score: Array) -> dict[str, float]:
    row = {f"p_{known}": _round(value) for known, value in zip(spec.classes, p, strict=True)}
    return row | {f"score_{known}": _round(value) for known, value in zip(spec.classes, score, strict=True)}


def _joined(spec: ModelSpec, there: Array) -> str:
    return "|".join(name for name, is_there in zip(spec.classes, there, strict=True) if is_there)


def _round(value: Any) -> float:
    return float(f"{float(value):.6g}")
