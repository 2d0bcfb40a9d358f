"""Numbers on a classifier's labelled predictions: accuracy against guessing, classes, ranking, calibration. No Keras."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.evaluation.roc import Truth, areas
from convscope.evaluation.scores import LogOdds, Scores, confusion_of
from convscope.models.spec import ModelSpec

Array = npt.NDArray[Any]
CALIBRATION_BINS = 15
# A matrix of more classes is written as the list of its cells that are not 0.
_MOST_CONFUSED = 100


def metrics(spec: ModelSpec, labels: Sequence[int] | Array, logits: Array | Scores) -> dict[str, Any]:
    """Numbers on labelled predictions.

    Args:
        spec: names the classes.
        labels: true class indices, all at least 0.
        logits: (N, units), finite; or the `Scores` of all classes, in a file.

    Returns:
        `images`, `accuracy` and its `accuracy_interval` (Wilson's, 95 %), `no_information_rate` (share of the most
        frequent class: what always guessing it gives) and `p_value_no_information` (one-sided binomial test that the
        accuracy is above it), `balanced_accuracy` (mean recall of the classes that occur), `macro_precision`,
        `macro_recall`, `macro_f1`, `loss` (mean cross-entropy, nats), `roc_auc` (of class 1, or the macro mean of one
        class against the rest), `roc_auc_macro`, `roc_auc_micro`, `calibration_error` (ECE of the predicted class in
        15 bins, Guo et al. 2017, 1706.04599), `brier` (mean squared error of class 1's probability for two classes,
        summed over the classes for more), `classes` (precision, recall, f1, support, roc_auc of each), `confusion`
        (rows: truth, columns: prediction, counts; of more than 100 classes `confusion_cells` instead, [truth, prediction,
        count] each). An AUC is None where a class has no pictures or no others; without pictures all are None and `images`
        is 0.
    """
    from scipy.stats import binomtest
    from sklearn.metrics import precision_recall_fscore_support

    truth = np.asarray(labels, dtype=int)
    count = len(spec.classes)
    if not len(truth):
        return {"images": 0, "accuracy": None, "no_information_rate": None, "loss": None, "roc_auc": None}
    scores = logits if isinstance(logits, Scores) else Scores(spec.class_scores(logits))
    predicted, confidence, loss, brier = _of_pictures(spec, truth, scores)
    every = list(range(count))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=every, zero_division=0)
    right = int((predicted == truth).sum())
    guess = float(np.bincount(truth, minlength=count).max() / len(truth))
    interval = binomtest(right, len(truth)).proportion_ci(method="wilson")
    of_class, micro = areas(Truth(truth), LogOdds(scores))
    known = [value for value in of_class if value is not None]
    macro = float(np.mean(known)) if len(known) == count else None
    confusion = confusion_of(truth, predicted, count)
    return {
        "images": len(truth),
        "accuracy": right / len(truth),
        "accuracy_interval": [float(interval.low), float(interval.high)],
        "no_information_rate": guess,
        "p_value_no_information": float(binomtest(right, len(truth), guess, alternative="greater").pvalue),
        "balanced_accuracy": float(recall[support > 0].mean()),
        "macro_precision": float(precision.mean()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "loss": float(loss.mean()),
        "roc_auc": of_class[1] if count == 2 else macro,
        "roc_auc_macro": macro,
        "roc_auc_micro": micro,
        "calibration_error": calibration_error(calibration(confidence, predicted == truth)),
        "brier": float(np.average(brier)),
        "classes": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
                "roc_auc": of_class[i],
            }
            for i, name in enumerate(spec.classes)
        },
        **_counted(confusion),
    }


def calibration(confidence: Array, correct: Array, bins: int = CALIBRATION_BINS) -> list[dict[str, float]]:
    """How often answers of some confidence are right, in equal bins of confidence (Guo et al. 2017, 1706.04599).

    Args:
        confidence: probability of the predicted class, (N,), 0..1.
        correct: whether it was the true one, (N,).
        bins: number of bins; each contains its upper edge, the first 0 too.

    Returns:
        A row a bin: low, high (edges), images, confidence (mean), accuracy; both NaN in an empty bin.
    """
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    rows = []
    for k in range(bins):
        inside = place == k
        rows.append(
            {
                "low": float(edges[k]),
                "high": float(edges[k + 1]),
                "images": int(inside.sum()),
                "confidence": float(np.asarray(confidence, dtype=np.float64)[inside].mean())
                if inside.any()
                else np.nan,
                "accuracy": float(np.asarray(correct)[inside].mean()) if inside.any() else np.nan,
            }
        )
    return rows


def calibration_error(rows: Sequence[dict[str, float]]) -> float | None:
    """Expected calibration error: mean gap between confidence and accuracy, weighted by the pictures of the bins."""
    images = sum(row["images"] for row in rows)
    if not images:
        return None
    filled = [row for row in rows if row["images"]]
    return float(sum(row["images"] * abs(row["confidence"] - row["accuracy"]) for row in filled) / images)


def _of_pictures(spec: ModelSpec, truth: Array, scores: Scores) -> tuple[Array, Array, Array, Array]:
    """Of each picture the class it is taken for, the probability of that, the cross-entropy and the squared error, (N,) each."""
    count = len(truth)
    predicted = np.zeros(count, np.int64)
    confidence, loss, brier = np.zeros(count), np.zeros(count), np.zeros(count)
    for place, part in scores.blocks():
        own, every = truth[place], np.arange(len(part))
        chances = spec.probabilities(part[:, 1:] if spec.head == "binary" else part)
        predicted[place] = best = spec.predicted(part)
        confidence[place] = chances[every, best]
        # Float32 probabilities add up to 1 only nearly.
        wide = chances.astype(np.float64)
        wide /= wide.sum(axis=1, keepdims=True)
        score = part[every, own]
        if spec.head == "binary":
            # log(1 + exp(-z)) of the true class's score: from logits, so that a sure error does not become infinite.
            loss[place] = np.logaddexp(0, -score)
        else:
            largest = part.max(axis=1)
            loss[place] = largest + np.log(np.exp(part - largest[:, None]).sum(axis=1)) - score
        wide[every, own] -= 1
        brier[place] = wide[:, 1] ** 2 if wide.shape[1] == 2 else (wide**2).sum(axis=1)
    return predicted, confidence, loss, brier


def _counted(confusion: Array) -> dict[str, Any]:
    """The confusion matrix as JSON takes it: whole, or, of more classes than anybody reads, its cells that are not 0."""
    if len(confusion) <= _MOST_CONFUSED:
        return {"confusion": confusion.tolist()}
    cells = np.argwhere(confusion)
    return {"confusion_cells": [[*cell, int(confusion[tuple(cell)])] for cell in cells.tolist()]}
