"""The classifier's report: tables and figures made from a table of predictions. No Keras, no network."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.errors import UserError
from convscope.evaluation.metrics import calibration, calibration_error, class_auc, log_odds, one_hot, roc_curves

Array = npt.NDArray[Any]
CLASS_COLUMNS = ("class", "precision", "recall", "f1", "support", "predicted", "roc_auc")
CALIBRATION_COLUMNS = ("low", "high", "images", "confidence", "accuracy")
_MOST_CLASSES = 40  # more than that cannot be read in a figure
_MOST_POINTS = 1000
ROC_COLUMNS = ("curve", "false_positive_rate", "true_positive_rate")


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Labelled predictions: `truth` and `predicted` class indices (N,), `scores` and `probabilities` (N, classes)."""

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    digests: tuple[str, ...]
    truth: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each picture is predicted right, (N,)."""
        return self.truth == self.predicted

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """Probability of the predicted class, (N,)."""
        return self.probabilities[np.arange(len(self)), self.predicted]

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Counts (classes, classes); rows: truth, columns: prediction."""
        counts = np.zeros((len(self.classes),) * 2, np.int64)
        np.add.at(counts, (self.truth, self.predicted), 1)
        return counts


def read_predictions(rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> Predictions:
    """The labelled rows of a predictions.csv; pictures of unknown class can be neither right nor wrong and are left out.

    Raises:
        UserError: the table belongs to a model of other classes.
    """
    absent = [name for name in classes if rows and f"score_{name}" not in rows[0]]
    if absent:
        raise UserError(f"predictions.csv: no column 'score_{absent[0]}'; delete the file and run again")
    rows = [row for row in rows if int(row["label"]) >= 0]
    return Predictions(
        tuple(classes),
        tuple(row["path"] for row in rows),
        tuple(row["sha256"] for row in rows),
        np.array([int(row["label"]) for row in rows], np.int64),
        np.array([int(row["predicted_label"]) for row in rows], np.int64),
        np.array([[float(row[f"score_{c}"]) for c in classes] for row in rows], float).reshape(len(rows), len(classes)),
        np.array([[float(row[f"p_{c}"]) for c in classes] for row in rows], float).reshape(len(rows), len(classes)),
    )


def class_rows(found: Predictions) -> list[dict[str, Any]]:
    """A row a class: precision, recall, F1, pictures of it (support), pictures taken for it (predicted), ROC AUC."""
    from sklearn.metrics import precision_recall_fscore_support

    every = list(range(len(found.classes)))
    if not len(found):
        return []
    numbers = precision_recall_fscore_support(found.truth, found.predicted, labels=every, zero_division=0)
    positive, ranks = one_hot(found.truth, len(every)), log_odds(found.scores)
    rows = []
    for c, name in enumerate(found.classes):
        auc = class_auc(positive[:, c], ranks[:, c])
        values = [_short(value[c]) for value in numbers[:3]]
        taken = int((found.predicted == c).sum())
        row = (name, *values, int(numbers[3][c]), taken, None if auc is None else _short(auc))
        rows.append(dict(zip(CLASS_COLUMNS, row, strict=True)))
    return rows


def roc_rows(found: Predictions) -> list[dict[str, Any]]:
    """The points of every ROC curve, evenly thinned where there are more than a thousand."""
    return [
        dict(zip(ROC_COLUMNS, (_curve_name(found, name), _short(x), _short(y)), strict=True))
        for name, (fpr, tpr) in _curves(found).items()
        for x, y in zip(_thinned(fpr), _thinned(tpr), strict=True)
    ]


def calibration_rows(found: Predictions) -> list[dict[str, Any]]:
    """The bins of the reliability diagram; see `metrics.calibration`."""
    rows = calibration(found.confidence, found.correct)
    return [{key: _short(value) if isinstance(value, float) else value for key, value in row.items()} for row in rows]


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

    figure, axis = new_figure(7.4, 5.0)
    curves = {name: (fpr, tpr, float(np.trapezoid(tpr, fpr))) for name, (fpr, tpr) in _curves(found).items()}
    classes = sorted((name for name in curves if name.isdigit()), key=lambda name: (curves[name][2], int(name)))
    colours = _colours(len(found.classes))
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
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5), title="area under the curve")
    save_figure(figure, path)


def draw_calibration(found: Predictions, title: str, path: Path) -> None:
    """Draw the reliability diagram as PNG: accuracy by confidence, the gap to the diagonal, and how many images a bin."""
    from convscope.pictures.plots import new_figure, save_figure

    rows = calibration(found.confidence, found.correct)
    filled = [row for row in rows if row["images"]]
    middles = np.array([(row["low"] + row["high"]) / 2 for row in filled])
    width = 1 / len(rows)
    figure, (axis, counts) = new_figure(5.2, 6.0, rows=2)
    axis.get_gridspec().set_height_ratios([3, 1])
    accuracy = np.array([row["accuracy"] for row in filled])
    confidence = np.array([row["confidence"] for row in filled])
    low, high = np.minimum(accuracy, confidence), np.maximum(accuracy, confidence)
    axis.bar(middles, accuracy, width * 0.92, color="#1f6feb", label="accuracy")
    axis.bar(middles, high - low, width * 0.92, low, color="#d1242f22", edgecolor="#d1242f", hatch="//", label="gap")
    axis.plot([0, 1], [0, 1], ":", lw=1.2, color="#1b1b1a", label="calibrated")
    error = calibration_error(rows)
    axis.set(ylabel="accuracy", title=title, xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(frameon=False, loc="upper left", title=None if error is None else f"calibration error {error:.3f}")
    counts.bar(middles, [row["images"] for row in filled], width * 0.92, color="#8a8f98")
    counts.set(xlabel="confidence (probability of the predicted class)", ylabel="images", xlim=(0, 1))
    for part in (axis, counts):
        part.spines[["top", "right"]].set_visible(False)
        part.grid(alpha=0.25)
        part.set_axisbelow(True)
    save_figure(figure, path)


def _curves(found: Predictions) -> dict[str, tuple[Array, Array]]:
    return roc_curves(found.truth, log_odds(found.scores)) if len(found) else {}


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
