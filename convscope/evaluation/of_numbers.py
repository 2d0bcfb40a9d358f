"""The report on a regression: tables and figures made from its predictions. No Keras, no network."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.evaluation.number_metrics import number_metrics
from convscope.evaluation.report import check_scores
from convscope.evaluation.rows import KnownPredictions

Array = npt.NDArray[Any]
CLASS_COLUMNS = (
    "output", "images", "mae", "rmse", "median_error", "bias", "pearson", "spearman", "r2", "baseline_mae", "baseline_rmse",
)  # fmt: skip
ROC_COLUMNS = ("output", "tolerance", "share_within")
CALIBRATION_COLUMNS = ("output", "low", "high", "images", "prediction", "truth")
_BINS = 10
_MOST_POINTS = 200
_MOST_OUTPUTS = 12


@dataclasses.dataclass(frozen=True)
class NumberPredictions(KnownPredictions):
    """Predictions of pictures whose numbers are known: `truth` and `outputs` (N, outputs), `error` the length of the error (N,)."""

    truth: npt.NDArray[np.float64]
    outputs: npt.NDArray[np.float64]
    error: npt.NDArray[np.float64]

    @functools.cached_property
    def numbers(self) -> dict[str, Any]:
        """See `number_metrics.number_metrics`."""
        return number_metrics(self.classes, self.truth, self.outputs)


def read_predictions(rows: Sequence[Mapping[str, str]], classes: Sequence[str], scores: Any) -> NumberPredictions:
    """The rows of a predictions.csv whose numbers are known.

    Raises:
        UserError: the scores belong to other rows, or to a model of other outputs.
    """
    check_scores(rows, classes, scores)
    known = np.array([row["error"] != "" for row in rows], bool)
    rows = [row for row, is_known in zip(rows, known, strict=True) if is_known]
    return NumberPredictions(
        tuple(classes),
        tuple(row["path"] for row in rows),
        tuple(row["sha256"] for row in rows),
        np.array([[float(row[f"target_{name}"]) for name in classes] for row in rows], float).reshape(-1, len(classes)),
        np.asarray(scores[()], np.float64)[known],
        np.array([float(row["error"]) for row in rows], float),
    )


def class_rows(found: NumberPredictions) -> list[dict[str, Any]]:
    """A row an output: its numbers (see `number_metrics.number_metrics`)."""
    return [
        {"output": name, "images": len(found)} | {key: _short(of[key]) for key in CLASS_COLUMNS if key in of}
        for name, of in found.numbers.get("outputs", {}).items()
    ]


def roc_rows(found: NumberPredictions) -> Iterator[dict[str, Any]]:
    """The share of pictures whose error is within a tolerance, for every output (REC curve, Bi and Bennett, ICML 2003)."""
    for name, tolerances, shares in _curves(found):
        for x, y in zip(tolerances, shares, strict=True):
            yield dict(zip(ROC_COLUMNS, (name, _short(x), _short(y)), strict=True))


def calibration_rows(found: NumberPredictions) -> list[dict[str, Any]]:
    """Mean truth by prediction, ten bins of as many pictures each."""
    return [row for c in range(len(found.classes)) for row in _bins(found, c)] if len(found) else []


def worst(found: NumberPredictions, count: int) -> list[tuple[int, str]]:
    """The predictions that are most wrong: position, and what each is and was taken for."""
    chosen = sorted(range(len(found)), key=lambda i: (-found.error[i], found.paths[i]))[:count]
    return [(i, f"{_numbers(found.truth[i])}, taken for\n{_numbers(found.outputs[i])}") for i in chosen]


def draw_confusion(found: NumberPredictions, title: str, path: Path, *, normalised: bool) -> None:
    """Draw prediction against truth as PNG, a point a picture; or (`normalised`) the error against the truth."""
    from convscope.pictures.plots import new_figure, save_figure

    names = found.classes[:_MOST_OUTPUTS]
    figure, axes = new_figure(4.8 * len(names), 4.6, columns=len(names))
    for c, (name, axis) in enumerate(zip(names, np.atleast_1d(axes), strict=True)):
        truth, output = found.truth[:, c], found.outputs[:, c]
        of = found.numbers.get("outputs", {}).get(name)
        low, high = (f([*truth, *output], default=0.0) for f in (min, max))
        shown = output - truth if normalised else output
        axis.scatter(truth, shown, s=9, alpha=0.5, color="#1f6feb", edgecolors="none")
        axis.plot([low, high], [0, 0] if normalised else [low, high], ":", lw=1.2, color="#1b1b1a")
        about = (
            ""
            if of is None
            else f"mean error {of['mae']:.3g}"
            + (f", correlation {of['pearson']:.3f}" if of["pearson"] is not None else "")
        )
        axis.set(
            xlabel=f"truth ({name})",
            ylabel="prediction minus truth" if normalised else "prediction",
            title=f"{title}\n{about}",
        )
        axis.title.set_fontsize(10)
        axis.grid(alpha=0.25)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def draw_roc(found: NumberPredictions, title: str, path: Path) -> None:
    """Draw the share of pictures within every tolerance as PNG, beside that of always answering the median."""
    from convscope.pictures.plots import new_figure, save_figure

    figure, axis = new_figure(6.6, 4.6)
    for k, (name, tolerances, shares) in enumerate(_curves(found)[:_MOST_OUTPUTS]):
        colour = f"C{k}"
        axis.plot(tolerances, shares, lw=1.8, color=colour, label=name)
        guess = np.sort(np.abs(found.truth[:, k] - np.median(found.truth[:, k])))
        within = np.searchsorted(guess, tolerances, "right") / len(guess)
        axis.plot(tolerances, within, ":", lw=1.2, color=colour, label=f"{name}: always the median")
    axis.set(xlabel="error of at most", ylabel="share of the images", title=title, ylim=(0, 1.01))
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    if len(found):
        axis.legend(frameon=False, fontsize=8, loc="lower right")
    save_figure(figure, path)


def draw_calibration(found: NumberPredictions, title: str, path: Path) -> None:
    """Draw the mean truth by prediction as PNG: on the diagonal it is right on the average."""
    from convscope.pictures.plots import new_figure, save_figure

    figure, axis = new_figure(5.2, 4.8)
    for c, name in enumerate(found.classes[:_MOST_OUTPUTS] if len(found) else ()):
        rows = _bins(found, c)
        axis.plot([row["prediction"] for row in rows], [row["truth"] for row in rows], "o-", ms=4, lw=1.2, label=name)
    low, high = axis.get_xlim()
    axis.plot([low, high], [low, high], ":", lw=1.2, color="#1b1b1a")
    axis.set(xlabel="prediction (mean of a tenth of the images)", ylabel="mean truth", title=title)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    if len(found):
        axis.legend(frameon=False, fontsize=8)
    save_figure(figure, path)


def _curves(found: NumberPredictions) -> list[tuple[str, Array, Array]]:
    result = []
    for c, name in enumerate(found.classes if len(found) else ()):
        errors = np.sort(np.abs(found.outputs[:, c] - found.truth[:, c]))
        chosen = np.linspace(0, len(errors) - 1, min(len(errors), _MOST_POINTS)).round().astype(int)
        # Of equal errors all are within that tolerance, those of 0 within none at all.
        tolerances = np.unique([0, *errors[chosen]])
        result.append((name, tolerances, np.searchsorted(errors, tolerances, "right") / len(errors)))
    return result


def _bins(found: NumberPredictions, c: int) -> list[dict[str, Any]]:
    order = np.argsort(found.outputs[:, c], kind="stable")
    rows = []
    for part in np.array_split(order, min(_BINS, len(order))):
        output, truth = found.outputs[part, c], found.truth[part, c]
        values = (output.min(), output.max(), len(part), output.mean(), truth.mean())
        short = [value if isinstance(value, int) else _short(value) for value in values]
        rows.append(dict(zip(CALIBRATION_COLUMNS, (found.classes[c], *short), strict=True)))
    return rows


def _numbers(values: Array) -> str:
    return " | ".join(f"{value:.4g}" for value in values)


def _short(value: Any) -> float | None:
    return None if value is None else float(f"{float(value):.6g}")
