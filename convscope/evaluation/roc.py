"""ROC curves and the areas under them, of a few pictures or of many: never all answers of all classes in memory at once."""

from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.evaluation.scores import whole

Array = npt.NDArray[Any]
Curve = tuple[Array, Array]
# Up to so many answers they are sorted together; beyond, the positive ones alone are.
_TOGETHER = 2**22
_MOST_POINTS = 1000


def class_auc(positive: Array, ranks: Array) -> float | None:
    """Area under the ROC curve; None without pictures on both sides."""
    from sklearn.metrics import roc_auc_score

    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, ranks))


def one_hot(truth: Array, count: int) -> npt.NDArray[np.bool_]:
    """Bool (N, count): which class each picture is of."""
    return np.asarray(truth)[:, None] == np.arange(count)[None, :]


class Truth:
    """Which classes pictures are of: one each, by number (N,), or many, bool (N, classes)."""

    def __init__(self, values: Array) -> None:
        self.values = np.asarray(values)

    def of(self, c: int) -> npt.NDArray[np.bool_]:
        """Whether each picture is of class c, (N,)."""
        return np.asarray(self.values[:, c] if self.values.ndim == 2 else self.values == c, bool)

    def whole(self, classes: int) -> npt.NDArray[np.bool_]:
        """Bool (N, classes)."""
        return np.asarray(self.values, bool) if self.values.ndim == 2 else one_hot(self.values, classes)


def areas(truth: Truth, ranks: Any) -> tuple[list[float | None], float | None]:
    """Areas under the ROC curves of each class against the rest, and of all answers pooled (micro).

    Args:
        truth: of the pictures.
        ranks: `scores.LogOdds`, or `scores.Scores` of labels with a score of their own.
    """
    of_class = [class_auc(truth.of(c), column) for c, column in ranks.columns()]
    if len(ranks) * ranks.classes <= _TOGETHER:
        return of_class, class_auc(truth.whole(ranks.classes).ravel(), whole(ranks).ravel())
    good = _positives(truth, ranks)
    bad = len(ranks) * ranks.classes - len(good)
    if not len(good) or not bad:
        return of_class, None
    # The share of pairs of a right and a wrong answer in which the right one is ahead, ties counting half.
    ahead = 0
    for c, column in ranks.columns():
        wrong = column[~truth.of(c)]
        ahead += int((2 * len(good) - np.searchsorted(good, wrong) - np.searchsorted(good, wrong, "right")).sum())
    return of_class, ahead / 2 / len(good) / bad


def roc_curves(truth: Array, ranks: Any) -> dict[str, Curve]:
    """ROC curves of one class against the rest, and their two averages.

    Args:
        truth: class indices (N,), or bool (N, classes).
        ranks: what ranks the pictures for each class: `scores.LogOdds`, `scores.Scores`.

    Returns:
        (false positive rate, true positive rate), both rising from 0 to 1, by name: "micro" (all answers of all
        classes pooled), "macro" (mean of the classes' curves at each false positive rate; the area under it is the mean
        of theirs), and the number of each class that has a curve. Averages are of the classes that have one. Of very many
        answers the pooled curve is of a thousand thresholds, at equal steps of the true positive rate.
    """
    from sklearn.metrics import roc_curve

    known = Truth(truth)
    curves: dict[str, Curve] = {}
    for c, column in ranks.columns():
        positive = known.of(c)
        if positive.any() and not positive.all():
            fpr, tpr, _ = roc_curve(positive, column)
            curves[str(c)] = (fpr, tpr)
    if not curves:
        return {}
    return {"micro": _pooled(known, ranks), "macro": _mean_curve(list(curves.values())), **curves}


def _pooled(truth: Truth, ranks: Any) -> Curve:
    from sklearn.metrics import roc_curve

    if len(ranks) * ranks.classes <= _TOGETHER:
        fpr, tpr, _ = roc_curve(truth.whole(ranks.classes).ravel(), whole(ranks).ravel())
        return fpr, tpr
    good = _positives(truth, ranks)
    # Falling, as many right answers between two of them.
    thresholds = np.unique(good[np.linspace(0, len(good) - 1, _MOST_POINTS - 2).round().astype(int)])[::-1]
    above = np.zeros(len(thresholds), np.int64)
    bad = 0
    for c, column in ranks.columns():
        wrong = np.sort(column[~truth.of(c)])
        bad += len(wrong)
        above += len(wrong) - np.searchsorted(wrong, thresholds)
    right = len(good) - np.searchsorted(good, thresholds)
    return np.array([0, *above / max(bad, 1), 1]), np.array([0, *right / len(good), 1])


def _positives(truth: Truth, ranks: Any) -> Array:
    """Ranks of the right answers, rising."""
    return np.sort(np.concatenate([column[truth.of(c)] for c, column in ranks.columns()]))


def _mean_curve(curves: list[Curve]) -> Curve:
    """Vertical average of step curves: where a curve rises at once, from its foot to its top."""
    grid = np.unique(np.concatenate([fpr for fpr, _ in curves]))
    tops, feet = np.zeros(len(grid)), np.zeros(len(grid))
    for fpr, tpr in curves:
        # Of equal abscissae np.interp takes the last: the top of a step, or, read backwards, its foot.
        tops += np.interp(grid, fpr, tpr)
        feet += np.interp(-grid[::-1], -fpr[::-1], tpr[::-1])[::-1]
    return np.repeat(grid, 2), np.stack([feet / len(curves), tops / len(curves)], axis=1).ravel()
