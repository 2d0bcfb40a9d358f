"""The classifier's report: tables and figures made from a table of predictions. No Keras, no network."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.errors import UserError
from convscope.evaluation.metrics import calibration, calibration_error
from convscope.evaluation.roc import class_auc, roc_curves
from convscope.evaluation.rows import KnownPredictions
from convscope.evaluation.scores import LogOdds, Scores, confusion_of

Array = npt.NDArray[Any]
CLASS_COLUMNS = ("class", "precision", "recall", "f1", "support", "predicted", "roc_auc")
CALIBRATION_COLUMNS = ("low", "high", "images", "confidence", "accuracy")
_MOST_CLASSES = 40  # more than that cannot be read in a figure
_FEW_CLASSES = 6
_MOST_POINTS = 1000
ROC_COLUMNS = ("curve", "false_positive_rate", "true_positive_rate")


@dataclasses.dataclass(frozen=True)
class Predictions(KnownPredictions):
    """Labelled predictions: `truth` and `predicted` class indices (N,), `confidence` the probability of the predicted class (N,),
    `scores` (N, classes), in a file where there are many."""

    truth: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    scores: Scores

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each picture is predicted right, (N,)."""
        return self.truth == self.predicted

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Counts (classes, classes); rows: truth, columns: prediction."""
        return confusion_of(self.truth, self.predicted, len(self.classes))

    @functools.cached_property
    def curves(self) -> dict[str, tuple[Array, Array]]:
        """ROC curves by name (see `roc.roc_curves`)."""
        return roc_curves(self.truth, LogOdds(self.scores)) if len(self) else {}


def read_predictions(rows: Sequence[Mapping[str, str]], classes: Sequence[str], scores: Any) -> Predictions:
    """The labelled rows of a predictions.csv; pictures of unknown class can be neither right nor wrong and are left out.

    Args:
        rows: of the table.
        classes: of the model.
        scores: (N, classes), a row each: an array, or the dataset of an open file.

    Raises:
        UserError: the scores belong to other rows, or to a model of other classes.
    """
    check_scores(rows, classes, scores)
    known = np.array([int(row["label"]) >= 0 for row in rows], bool)
    rows = [row for row, is_known in zip(rows, known, strict=True) if is_known]
    return Predictions(
        tuple(classes),
        tuple(row["path"] for row in rows),
        tuple(row["sha256"] for row in rows),
        np.array([int(row["label"]) for row in rows], np.int64),
        np.array([int(row["predicted_label"]) for row in rows], np.int64),
        np.array([float(row["confidence"]) for row in rows], float),
        Scores(scores, known),
    )


def check_scores(rows: Sequence[Any], classes: Sequence[str], scores: Any) -> None:
    """Check that scores are of a table's rows and of a model's classes.

    Raises:
        UserError: they are not.
    """
    if tuple(scores.shape) != (len(rows), len(classes)):
        raise UserError(
            f"scores.h5: {scores.shape[0]} pictures of {scores.shape[1]} classes, but predictions.csv has {len(rows)} rows "
            f"and the model {len(classes)} classes; delete both and run again"
        )


def class_rows(found: Predictions) -> list[dict[str, Any]]:
    """A row a class: precision, recall, F1, pictures of it (support), pictures taken for it (predicted), ROC AUC."""
    from sklearn.metrics import precision_recall_fscore_support

    every = list(range(len(found.classes)))
    if not len(found):
        return []
    numbers = precision_recall_fscore_support(found.truth, found.predicted, labels=every, zero_division=0)
    rows = []
    for c, ranks in LogOdds(found.scores).columns():
        name, auc = found.classes[c], class_auc(found.truth == c, ranks)
        values = [_short(value[c]) for value in numbers[:3]]
        taken = int((found.predicted == c).sum())
        row = (name, *values, int(numbers[3][c]), taken, None if auc is None else _short(auc))
        rows.append(dict(zip(CLASS_COLUMNS, row, strict=True)))
    return rows


def roc_rows(found: Predictions) -> Iterator[dict[str, Any]]:
    """The points of every ROC curve, evenly thinned where there are more than a thousand."""
    for name, (fpr, tpr) in found.curves.items():
        for x, y in zip(_thinned(fpr), _thinned(tpr), strict=True):
            yield dict(zip(ROC_COLUMNS, (_curve_name(found, name), _short(x), _short(y)), strict=True))


def calibration_rows(found: Predictions) -> list[dict[str, Any]]:
    """The bins of the reliability diagram; see `metrics.calibration`."""
    rows = calibration(found.confidence, found.correct)
    return [{key: _short(value) if isinstance(value, float) else value for key, value in row.items()} for row in rows]


def worst(found: Predictions, count: int) -> list[tuple[int, str]]:
    """The most confident errors: position, and what each is, what it was taken for, and how surely."""
    names = found.classes
    return [
        (i, f"{names[found.truth[i]]}, taken for\n{names[found.predicted[i]]} ({found.confidence[i]:.1%})")
        for i in most_confident_errors(found, count)
    ]


def most_confident_errors(found: Predictions, count: int) -> list[int]:
    """Positions of the errors of highest confidence, falling; equal ones by path."""
    wrong = np.flatnonzero(~found.correct)
    return sorted(wrong.tolist(), key=lambda i: (-found.confidence[i], found.paths[i]))[:count]


def shown_confusion(found: Predictions) -> tuple[list[str], Array, Array]:
    """What a figure shows of the confusion matrix: class names, counts, and shares of each true class.

    Of more classes than can be read, the most frequent ones. A share is one of all pictures of the class, also of those taken
    for a class that is not shown: then a row adds up to less than 1.
    """
    counts, names = found.confusion, list(found.classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if len(names) > _MOST_CLASSES:
        frequent = np.argsort(-(counts.sum(axis=0) + counts.sum(axis=1)), kind="stable")[:_MOST_CLASSES]
        chosen = np.sort(frequent)
        block = np.ix_(chosen, chosen)
        names, counts, shares = [names[c] for c in chosen], counts[block], shares[block]
    return names, counts, shares


def draw_confusion(found: Predictions, title: str, path: Path, *, normalised: bool) -> None:
    """Draw the confusion matrix as PNG: counts, or shares of each true class (see `shown_confusion`)."""
    from convscope.pictures.plots import new_figure, save_figure

    names, counts, shares = shown_confusion(found)
    many = len(names)
    if many < len(found.classes):
        title += f" (the {many} most frequent classes)"
    side = max(3.2, 0.46 * many + 1.6)
    figure, axis = new_figure(side + 0.6, side)
    shown = axis.imshow(shares if normalised else counts, cmap="Blues", vmin=0, vmax=1 if normalised else None)
    size = 9 if many <= 8 else 7 if many <= 20 else 4
    for i in range(many):
        for j in range(many):
            if counts[i, j]:
                text = f"{shares[i, j]:.2f}" if normalised else str(counts[i, j])
                level = shares[i, j] if normalised else counts[i, j] / max(counts.max(), 1)
                axis.text(j, i, text, ha="center", va="center", fontsize=size, color="w" if level > 0.55 else "#222222")
    axis.set_xticks(range(many), names, rotation=45 if many > 3 else 0, ha="right" if many > 3 else "center")
    axis.set_yticks(range(many), names)
    axis.set(xlabel="prediction", ylabel="truth", title=title)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    figure.colorbar(shown, ax=axis, shrink=0.75, label="share of the true class" if normalised else "images")
    save_figure(figure, path)


def draw_roc(found: Predictions, title: str, path: Path) -> None:
    """Draw the ROC curves as PNG: micro and macro average, and every class against the rest, the worst class first."""
    from convscope.pictures.plots import new_figure, save_figure

    curves = {name: (fpr, tpr, float(np.trapezoid(tpr, fpr))) for name, (fpr, tpr) in found.curves.items()}
    classes = sorted((name for name in curves if name.isdigit()), key=lambda name: (curves[name][2], int(name)))
    colours = _colours(len(found.classes))
    # The legend stands beside the curves, a line a class; of few it fits in the corner that good curves leave free.
    few = len(classes) <= _FEW_CLASSES
    figure, axis = new_figure(5.2 if few else 7.4, max(5.0, 0.17 * min(len(classes), _MOST_CLASSES) + 1.2))
    for name in classes[:_MOST_CLASSES]:
        fpr, tpr, area = curves[name]
        label = f"{found.classes[int(name)]}: {area:.3f}"
        axis.plot(fpr, tpr, lw=1.0, color=colours[int(name)], alpha=0.85, label=label, clip_on=False)
    for name, colour, dash in (("macro", "#1b1b1a", "-"), ("micro", "#d1242f", "--")):
        if name in curves:
            fpr, tpr, area = curves[name]
            axis.plot(fpr, tpr, dash, lw=2.2, color=colour, label=f"{name} average: {area:.3f}", clip_on=False)
    axis.plot([0, 1], [0, 1], ":", lw=1, color="#8a8f98", label="guessing: 0.500")
    axis.set(xlabel="false positive rate", ylabel="true positive rate", title=title, xlim=(0, 1), ylim=(0, 1.01))
    axis.set_aspect("equal")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    beside: dict[str, Any] = {"loc": "lower right"} if few else {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)}
    axis.legend(frameon=False, fontsize=9 if few else 8, title="area under the curve", **beside)
    save_figure(figure, path)


def draw_calibration(found: Predictions, title: str, path: Path) -> None:
    """Draw the reliability diagram as PNG: accuracy by confidence, the gap to the diagonal, and how many images a bin."""
    from convscope.evaluation.reliability import draw_reliability

    rows = calibration(found.confidence, found.correct)
    draw_reliability(rows, calibration_error(rows), title, path)


def _thinned(values: Array) -> Array:
    if len(values) <= _MOST_POINTS:
        return values
    return np.asarray(values[np.linspace(0, len(values) - 1, _MOST_POINTS).round().astype(int)])


def _curve_name(found: Predictions, name: str) -> str:
    return f"class {found.classes[int(name)]}" if name.isdigit() else name


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["tab20" if count > 10 else "tab10"](c % 20 if count > 10 else c) for c in range(count)]


def _short(value: Any) -> float:
    return float(f"{float(value):.6g}")
