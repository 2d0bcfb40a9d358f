"""Numbers on predictions of many labels, each right or wrong on its own. No Keras."""

from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.evaluation.roc import Truth, areas
from convscope.evaluation.scores import Scores
from convscope.models.spec import THRESHOLD

Array = npt.NDArray[Any]


def label_metrics(classes: tuple[str, ...], truth: Array, scores: Scores) -> dict[str, Any]:
    """Numbers on predictions whose labels are known.

    A label is predicted where its probability is 0.5 or more, its logit 0 or more.

    Args:
        classes: names of the labels.
        truth: which labels each picture has, bool (N, labels).
        scores: logits (N, labels).

    Returns:
        `images`; `accuracy`, the share of pictures with every label right; `hamming_loss`, the share of wrong answers; `loss`,
        the mean binary cross-entropy, nats; `average_precision` (the mean over the labels that occur: mAP), `f1_macro` and
        `f1_micro`, `precision_micro`, `recall_micro`, `roc_auc_macro` and `roc_auc_micro`; and `labels`, for each `support`
        (pictures that have it), `average_precision` and `roc_auc` (None where all or none have it), `precision`, `recall`, `f1`,
        `confusion` ([[true negatives, false positives], [false negatives, true positives]]), `best_threshold`, the probability
        from which on F1 on these pictures would be highest, and that `best_f1`.
    """
    truth = np.asarray(truth, bool)
    if not len(truth):
        return {"images": 0, "accuracy": None, "average_precision": None, "loss": None}
    counts = np.zeros((len(classes), 2, 2), np.int64)
    losses = np.zeros(len(classes))
    right = np.ones(len(truth), bool)
    precisions: list[float | None] = []
    best: list[tuple[float, float] | None] = []
    for c, column in scores.columns():
        own, predicted = truth[:, c], column >= 0
        np.add.at(counts[c], (own.astype(int), predicted.astype(int)), 1)
        right &= own == predicted
        losses[c] = np.logaddexp(0, np.where(own, -column, column)).mean()
        precisions.append(average_precision(own, column))
        best.append(best_threshold(own, column))
    of_label, micro = areas(Truth(truth), scores)
    known = [value for value in precisions if value is not None]
    areas_known = [value for value in of_label if value is not None]
    rates = [_rates(counts[c]) for c in range(len(classes))]
    pooled = _rates(counts.sum(axis=0))
    return {
        "images": len(truth),
        "accuracy": float(right.mean()),
        "hamming_loss": float((counts[:, 0, 1] + counts[:, 1, 0]).sum() / truth.size),
        "loss": float(losses.mean()),
        "average_precision": float(np.mean(known)) if known else None,
        "f1_macro": float(np.mean([rate["f1"] for rate in rates])),
        "f1_micro": pooled["f1"],
        "precision_micro": pooled["precision"],
        "recall_micro": pooled["recall"],
        "roc_auc_macro": float(np.mean(areas_known)) if areas_known else None,
        "roc_auc_micro": micro,
        "threshold": THRESHOLD,
        "labels": {
            name: {
                "support": int(truth[:, c].sum()),
                "average_precision": precisions[c],
                "roc_auc": of_label[c],
                **rates[c],
                "best_threshold": None if (found := best[c]) is None else found[0],
                "best_f1": None if found is None else found[1],
                "confusion": counts[c].tolist(),
            }
            for c, name in enumerate(classes)
        },
    }


def average_precision(positive: Array, scores: Array) -> float | None:
    """Mean over the pictures that have a label of the precision among all that are ranked as high; None where none has it."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(positive, scores)) if positive.any() else None


def best_threshold(positive: Array, scores: Array) -> tuple[float, float] | None:
    """The probability from which on F1 is highest, and that F1; None where no picture has the label.

    Args:
        positive: whether each picture has it, (N,).
        scores: logits (N,).
    """
    if not positive.any():
        return None
    order = np.argsort(-scores, kind="stable")
    hits, places = np.cumsum(positive[order]), np.arange(1, len(order) + 1)
    # Equal scores are on one side of any threshold.
    ends = np.append(np.diff(scores[order]) != 0, True)
    f1 = np.where(ends, 2 * hits / (places + positive.sum()), -1.0)
    place = int(f1.argmax())
    score = float(scores[order[place]])
    chance = 1 / (1 + np.exp(-score)) if score >= 0 else np.exp(score) / (1 + np.exp(score))
    return float(chance), float(f1[place])


def _rates(counts: Array) -> dict[str, float]:
    hit, alarm, miss = (int(counts[place]) for place in ((1, 1), (0, 1), (1, 0)))
    return {
        "precision": hit / (hit + alarm) if hit + alarm else 0.0,
        "recall": hit / (hit + miss) if hit + miss else 0.0,
        "f1": 2 * hit / (2 * hit + alarm + miss) if hit + alarm + miss else 0.0,
    }
