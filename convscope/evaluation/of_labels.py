"""The report on a model of many labels: tables and figures made from its predictions. No Keras, no network."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.data.groups import label_names
from convscope.evaluation.label_metrics import label_metrics
from convscope.evaluation.metrics import calibration, calibration_error
from convscope.evaluation.report import CALIBRATION_COLUMNS as CALIBRATION_COLUMNS
from convscope.evaluation.report import ROC_COLUMNS as ROC_COLUMNS
from convscope.evaluation.report import check_scores
from convscope.evaluation.roc import Curve, roc_curves
from convscope.evaluation.rows import KnownPredictions
from convscope.evaluation.scores import Scores

Array = npt.NDArray[Any]
CLASS_COLUMNS = (
    "class", "precision", "recall", "f1", "support", "predicted", "roc_auc", "average_precision", "best_threshold", "best_f1",
)  # fmt: skip
_MOST_LABELS = 40
_MOST_POINTS = 1000


@dataclasses.dataclass(frozen=True)
class LabelPredictions(KnownPredictions):
    """Predictions of pictures whose labels are known: `truth` bool (N, labels), `scores` their logits, `error` the largest gap between
    a probability and the truth, (N,)."""

    truth: npt.NDArray[np.bool_]
    correct: npt.NDArray[np.bool_]
    error: npt.NDArray[np.float64]
    scores: Scores

    @functools.cached_property
    def numbers(self) -> dict[str, Any]:
        """See `label_metrics.label_metrics`."""
        return label_metrics(self.classes, self.truth, self.scores)

    @functools.cached_property
    def curves(self) -> dict[str, Curve]:
        """ROC curves by name (see `roc.roc_curves`)."""
        return roc_curves(self.truth, self.scores) if len(self) else {}


def read_predictions(rows: Sequence[Mapping[str, str]], classes: Sequence[str], scores: Any) -> LabelPredictions:
    """The rows of a predictions.csv whose labels are known.

    Raises:
        UserError: the scores belong to other rows, or to a model of other labels.
    """
    check_scores(rows, classes, scores)
    known = np.array([row["correct"] != "" for row in rows], bool)
    rows = [row for row, is_known in zip(rows, known, strict=True) if is_known]
    index = {name: column for column, name in enumerate(classes)}
    truth = np.zeros((len(rows), len(classes)), bool)
    for place, row in enumerate(rows):
        truth[place, [index[name] for name in label_names(row["labels"])]] = True
    return LabelPredictions(
        tuple(classes),
        tuple(row["path"] for row in rows),
        tuple(row["sha256"] for row in rows),
        truth,
        np.array([row["correct"] == "true" for row in rows], bool),
        np.array([float(row["error"]) for row in rows], float),
        Scores(scores, known),
    )


def class_rows(found: LabelPredictions) -> list[dict[str, Any]]:
    """A row a label: its numbers (see `label_metrics.label_metrics`), and for how many pictures it is predicted."""
    rows = []
    for name, of in found.numbers.get("labels", {}).items():
        predicted = of["confusion"][0][1] + of["confusion"][1][1]
        values = {key: _short(of[key]) for key in CLASS_COLUMNS if key in of}
        rows.append(values | {"class": name, "support": of["support"], "predicted": predicted})
    return rows


def roc_rows(found: LabelPredictions) -> Iterator[dict[str, Any]]:
    """The points of every ROC curve, evenly thinned where there are more than a thousand."""
    for name, (fpr, tpr) in found.curves.items():
        called = f"label {found.classes[int(name)]}" if name.isdigit() else name
        chosen = np.unique(np.linspace(0, len(fpr) - 1, min(len(fpr), _MOST_POINTS)).round().astype(int))
        for x, y in zip(fpr[chosen], tpr[chosen], strict=True):
            yield dict(zip(ROC_COLUMNS, (called, _short(x), _short(y)), strict=True))


def calibration_rows(found: LabelPredictions) -> list[dict[str, Any]]:
    """The bins of the reliability diagram: how often a label of some probability is there, all labels pooled."""
    return [
        {key: _short(value) if isinstance(value, float) else value for key, value in row.items()}
        for row in _bins(found)
    ]


def worst(found: LabelPredictions, count: int) -> list[tuple[int, str]]:
    """The pictures with the surest wrong label: position, and that label."""
    wrong = np.flatnonzero(~found.correct)
    chosen = sorted(wrong.tolist(), key=lambda i: (-found.error[i], found.paths[i]))[:count]
    gap: dict[int, tuple[float, str]] = dict.fromkeys(chosen, (-1.0, ""))
    for c, column in found.scores.columns():
        for i in chosen:
            p = 1 / (1 + np.exp(-np.clip(column[i], -50, 50)))
            missed = found.truth[i, c]
            if (size := 1 - p if missed else p) > gap[i][0]:
                name = found.classes[c]
                gap[i] = (size, f"{name} missed\n({p:.1%})" if missed else f"{name} seen, not there\n({p:.1%})")
    return [(i, gap[i][1]) for i in chosen]


def draw_confusion(found: LabelPredictions, title: str, path: Path, *, normalised: bool) -> None:
    """Draw right and wrong answers on every label as PNG: counts, or shares of the pictures that have it and that do not."""
    from convscope.pictures.plots import new_figure, save_figure

    labels = dict(list(found.numbers.get("labels", {}).items()))
    names = sorted(labels, key=lambda name: -labels[name]["support"])[:_MOST_LABELS]
    if len(names) < len(labels):
        title += f" (the {len(names)} most frequent labels)"
    figure, axis = new_figure(7.0, max(2.4, 0.34 * len(names) + 1.4))
    counts = np.array([labels[name]["confusion"] for name in names], float).reshape(-1, 2, 2)
    if normalised:
        counts = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    places = np.arange(len(names))
    seen, missed, alarms = counts[:, 1, 1], counts[:, 1, 0], counts[:, 0, 1]
    axis.barh(places, seen, color="#1f6feb", label="there, and seen")
    missed = np.where(missed, missed, np.nan)  # a bar of no length would still have a red edge
    axis.barh(places, missed, left=seen, color="#d1242f55", edgecolor="#d1242f", hatch="//", label="there, and missed")
    axis.barh(places, -alarms, color="#8a8f98", label="not there, and seen")
    axis.axvline(0, lw=1, color="#1b1b1a")
    axis.set_yticks(places, names)
    axis.invert_yaxis()
    axis.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axis.set(title=title, xlabel="share of the pictures with it, and without it" if normalised else "images")
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.grid(axis="x", alpha=0.25)
    axis.set_axisbelow(True)
    if names:
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    save_figure(figure, path)


def draw_roc(found: LabelPredictions, title: str, path: Path) -> None:
    """Draw ROC and precision-recall curves of every label as PNG, the worst ones named first."""
    from sklearn.metrics import precision_recall_curve

    from convscope.pictures.plots import new_figure, save_figure

    figure, (left, right) = new_figure(12.0, 4.8, columns=2)
    labels = found.numbers.get("labels", {})
    worst = sorted(
        (c for c in found.curves if c.isdigit()), key=lambda c: labels[found.classes[int(c)]]["average_precision"]
    )
    shown = worst[:_MOST_LABELS]
    colours = {c: _colour(k) for k, c in enumerate(shown)}
    for c in shown:
        left.plot(*found.curves[c], lw=1, color=colours[c], alpha=0.85)
    for name, colour, dash in (("macro", "#1b1b1a", "-"), ("micro", "#d1242f", "--")):
        if name in found.curves:
            left.plot(
                *found.curves[name],
                dash,
                lw=2,
                color=colour,
                label=f"{name} average: {found.numbers[f'roc_auc_{name}']:.3f}",
            )
    left.plot([0, 1], [0, 1], ":", lw=1, color="#8a8f98", label="guessing: 0.500")
    left.legend(frameon=False, fontsize=8, loc="lower right", title="area under the curve")
    for column, scores in found.scores.columns():
        if str(column) in colours:
            precision, recall, _ = precision_recall_curve(found.truth[:, column], scores)
            name = found.classes[column]
            text = f"{name}: {labels[name]['average_precision']:.3f}"
            right.plot(recall, precision, lw=1.2, color=colours[str(column)], label=text, drawstyle="steps-post")
    left.set(xlabel="false positive rate", ylabel="true positive rate", title=title)
    right.set(xlabel="recall", ylabel="precision", title="precision by recall")
    for axis in (left, right):
        axis.set(xlim=(0, 1), ylim=(0, 1.01))
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    if shown:
        right.legend(
            frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5), title="average precision"
        )
    save_figure(figure, path)


def draw_calibration(found: LabelPredictions, title: str, path: Path) -> None:
    """Draw the reliability diagram as PNG: how often labels are there by their probability, all labels pooled."""
    from convscope.evaluation.reliability import draw_reliability

    rows = _bins(found)
    draw_reliability(
        rows, calibration_error(rows), title, path, "share that is there", "probability of a label", "answers"
    )


def _bins(found: LabelPredictions) -> list[dict[str, float]]:
    whole: list[dict[str, float]] = []
    sums = np.zeros((0, 3))
    for c, column in found.scores.columns():
        chance = 1 / (1 + np.exp(-np.clip(column, -500, 500)))
        rows = calibration(chance, found.truth[:, c])
        part = np.array(
            [
                [r["images"], *(r["images"] * r[k] if r["images"] else 0 for k in ("confidence", "accuracy"))]
                for r in rows
            ]
        )
        sums, whole = (part if not len(sums) else sums + part), rows
    for row, (images, confidence, accuracy) in zip(whole, sums, strict=True):
        row["images"] = int(images)
        row["confidence"], row["accuracy"] = (confidence / images, accuracy / images) if images else (np.nan, np.nan)
    return whole


def _colour(place: int) -> Any:
    from matplotlib import colormaps

    return colormaps["tab20"](place % 20)


def _short(value: Any) -> float | None:
    return None if value is None else float(f"{float(value):.6g}")
