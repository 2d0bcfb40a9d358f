"""Numbers on a classifier's labelled predictions: accuracy against guessing, classes, ranking, calibration. No Keras."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.models.spec import ModelSpec

Array = npt.NDArray[Any]
CALIBRATION_BINS = 15


def metrics(spec: ModelSpec, labels: Sequence[int], logits: Array) -> dict[str, Any]:
    """Numbers on labelled predictions.

    Args:
        spec: names the classes.
        labels: true class indices, all at least 0.
        logits: (N, units), finite.

    Returns:
        `images`, `accuracy` and its `accuracy_interval` (Wilson's, 95 %), `no_information_rate` (share of the most
        frequent class: what always guessing it gives) and `p_value_no_information` (one-sided binomial test that the
        accuracy is above it), `balanced_accuracy` (mean recall of the classes that occur), `macro_precision`,
        `macro_recall`, `macro_f1`, `loss` (mean cross-entropy, nats), `roc_auc` (of class 1, or the macro mean of one
        class against the rest), `roc_auc_macro`, `roc_auc_micro`, `calibration_error` (ECE of the predicted class in
        15 bins, Guo et al. 2017, 1706.04599), `brier` (mean squared error of class 1's probability for two classes,
        summed over the classes for more), `classes` (precision, recall, f1, support, roc_auc of each), `confusion`
        (rows: truth, columns: prediction, counts). An AUC is None where a class has no pictures or no others; without
        pictures all are None and `images` is 0.
    """
    from scipy.stats import binomtest
    from sklearn.metrics import brier_score_loss, confusion_matrix, precision_recall_fscore_support

    truth = np.asarray(labels, dtype=int)
    count = len(spec.classes)
    if not len(truth):
        return {"images": 0, "accuracy": None, "no_information_rate": None, "loss": None, "roc_auc": None}
    scores = spec.class_scores(logits).astype(np.float64)
    probabilities = spec.probabilities(logits).astype(np.float64)
    predicted = scores.argmax(axis=1)
    every = list(range(count))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=every, zero_division=0)
    right = int((predicted == truth).sum())
    guess = float(np.bincount(truth, minlength=count).max() / len(truth))
    interval = binomtest(right, len(truth)).proportion_ci(method="wilson")
    ranks = log_odds(scores)
    of_class = [class_auc(truth == c, ranks[:, c]) for c in every]
    known = [value for value in of_class if value is not None]
    macro = float(np.mean(known)) if len(known) == count else None
    confidence = probabilities[np.arange(len(truth)), predicted]
    total = probabilities.sum(axis=1, keepdims=True)
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
        "loss": _cross_entropy(spec, truth, scores),
        "roc_auc": of_class[1] if count == 2 else macro,
        "roc_auc_macro": macro,
        "roc_auc_micro": class_auc(one_hot(truth, count).ravel(), ranks.ravel()),
        "calibration_error": calibration_error(calibration(confidence, predicted == truth)),
        # Float32 probabilities add up to 1 only nearly, which scikit-learn refuses.
        "brier": float(brier_score_loss(truth, probabilities / total, labels=every))
        if count > 2
        else float(brier_score_loss(truth, (probabilities / total)[:, 1], pos_label=1)),
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
        "confusion": confusion_matrix(truth, predicted, labels=every).tolist(),
    }


def one_hot(truth: Array, count: int) -> npt.NDArray[np.bool_]:
    """Bool (N, count): which class each picture is of."""
    return np.asarray(truth)[:, None] == np.arange(count)[None, :]


def log_odds(scores: Array) -> npt.NDArray[np.float64]:
    """Log-odds of every class against the rest, up to a factor, float64 (N, C), of class scores (N, C).

    They rank pictures as probabilities do, but sure answers do not tie at 1.
    """
    scores = np.asarray(scores, dtype=np.float64)
    best, every = scores.argmax(axis=1), np.arange(len(scores))
    total = _log_sum(scores)
    share = np.exp(scores - total[:, None])
    # The rest of the likeliest class is what is left when it is taken away: 1 - p would be 0 for a sure answer.
    share[every, best] = 0.0
    rest = total[:, None] + np.log1p(-share)
    without = scores.copy()
    without[every, best] = -np.inf
    rest[every, best] = _log_sum(without)
    return np.asarray(scores - rest, dtype=np.float64)


def _log_sum(scores: Array) -> Array:
    largest = scores.max(axis=1)
    return np.asarray(largest + np.log(np.exp(scores - largest[:, None]).sum(axis=1)))


def class_auc(positive: Array, ranks: Array) -> float | None:
    """Area under the ROC curve; None without pictures on both sides."""
    from sklearn.metrics import roc_auc_score

    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, ranks))


def roc_curves(truth: Array, ranks: Array) -> dict[str, tuple[Array, Array]]:
    """ROC curves of one class against the rest, and their two averages.

    Args:
        truth: class indices (N,).
        ranks: what ranks the pictures for each class, (N, C), as of `log_odds`.

    Returns:
        (false positive rate, true positive rate), both rising from 0 to 1, by name: "micro" (all answers of all
        classes pooled), "macro" (mean of the classes' curves at each false positive rate; the area under it is the mean
        of theirs), and the number of each class that has a curve. Averages are of the classes that have one.
    """
    from sklearn.metrics import roc_curve

    positive = one_hot(truth, ranks.shape[1])
    curves: dict[str, tuple[Array, Array]] = {}
    for c in range(ranks.shape[1]):
        if positive[:, c].any() and not positive[:, c].all():
            fpr, tpr, _ = roc_curve(positive[:, c], ranks[:, c])
            curves[str(c)] = (fpr, tpr)
    if not curves:
        return {}
    fpr, tpr, _ = roc_curve(positive.ravel(), ranks.ravel())
    return {"micro": (fpr, tpr), "macro": _mean_curve(list(curves.values())), **curves}


def _mean_curve(curves: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Vertical average of step curves: where a curve rises at once, from its foot to its top."""
    grid = np.unique(np.concatenate([fpr for fpr, _ in curves]))
    # Of equal abscissae np.interp takes the last: the top of a step, or, read backwards, its foot.
    tops = np.mean([np.interp(grid, fpr, tpr) for fpr, tpr in curves], axis=0)
    feet = np.mean([np.interp(-grid[::-1], -fpr[::-1], tpr[::-1])[::-1] for fpr, tpr in curves], axis=0)
    return np.repeat(grid, 2), np.stack([feet, tops], axis=1).ravel()


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


def _cross_entropy(spec: ModelSpec, truth: Array, scores: Array) -> float:
    if spec.head == "binary":
        # log(1 + exp(-z)) of the true class's score: from logits, so that a sure error does not become infinite.
        return float(np.logaddexp(0, -scores[np.arange(len(truth)), truth]).mean())
    return float((_log_sum(scores) - scores[np.arange(len(truth)), truth]).mean())
