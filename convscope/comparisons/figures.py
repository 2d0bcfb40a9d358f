"""Figures of a comparison: the curves of all trainings in one, and accuracy against what a network costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convscope.pictures.plots import new_figure, save_figure

# Okabe & Ito's colours, which people who see few colours tell apart too; the black one and the yellow one are left out.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_STYLES = ("-", "--", "-.", ":")
_MARKS = "osD^vP"
_PANELS = (("accuracy", "training accuracy"), ("val_accuracy", "validation accuracy"), ("loss", "training loss"),
           ("val_loss", "validation loss"))  # fmt: skip
_COSTS = (
    ("parameters", "parameters"),
    ("multiply_adds", "multiply-adds for one picture"),
    ("seconds", "seconds an epoch"),
)
Curves = Mapping[str, Sequence[Sequence[Mapping[str, float]]]]


def look(place: int) -> dict[str, Any]:
    """Colour, line and mark of the how manieth model; after six the lines change."""
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _STYLES[place // len(_COLOURS) % len(_STYLES)],
        "marker": _MARKS[place % len(_MARKS)],
    }


def band(histories: Sequence[Sequence[Mapping[str, float]]], quantity: str) -> tuple[np.ndarray, ...]:
    """Least, mean and greatest of several trainings, epoch by epoch, as far as all of them went: three (E,) float64."""
    epochs = min(map(len, histories))
    values = np.array([[row[quantity] for row in history[:epochs]] for history in histories], np.float64)
    return values.min(axis=0), values.mean(axis=0), values.max(axis=0)


def draw_curves(curves: Curves, title: str, path: Path) -> None:
    """Accuracy and loss of both splits by epoch: a line a model is the mean of its seeds, the band from their least to their greatest.

    Args:
        curves: model -> its trainings -> a row an epoch. A training that stopped before others goes on as a thin line.
        title: of the figure.
        path: PNG to write.
    """
    figure, axes = new_figure(11, 7.6, 2, 2)
    for panel, (quantity, words) in zip(axes.ravel(), _PANELS, strict=True):
        losses = []
        for place, (model, histories) in enumerate(curves.items()):
            style = {key: value for key, value in look(place).items() if key != "marker"}
            least, mean, most = band(histories, quantity)
            epochs = np.arange(1, len(mean) + 1)
            panel.fill_between(epochs, least, most, color=style["color"], alpha=0.15, linewidth=0)
            panel.plot(epochs, mean, linewidth=1.9, label=model, **style)
            for history in histories:
                rest = history[len(mean) - 1 :]
                if len(rest) > 1:
                    panel.plot([r["epoch"] for r in rest], [r[quantity] for r in rest], linewidth=0.8, **style)
            losses += [least.min(), most.max()]
        panel.set(xlabel="epoch", ylabel=words)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        if (
            quantity.endswith("loss")
            and np.isfinite(losses).all()
            and min(losses) > 0
            and max(losses) > 50 * min(losses)
        ):
            panel.set_yscale("log")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=_beside(names), frameon=False)
    figure.suptitle(title, fontsize=12)
    save_figure(figure, path)


def draw_costs(models: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Accuracy against parameters, multiply-adds and seconds: a small mark a training, a large one their mean, its 95 % interval.

    Args:
        models: of `report.summaries`.
        rows: of `report.table`.
        title: of the figure.
        path: PNG to write.
    """
    figure, axes = new_figure(12, 4.6, 1, 3)
    for panel, (quantity, words) in zip(axes, _COSTS, strict=True):
        for place, summary in enumerate(models):
            style = {key: value for key, value in look(place).items() if key != "linestyle"}
            mine = [row for row in rows if row["model"] == summary["model"]]
            panel.plot(
                [row[quantity] for row in mine],
                [100 * row["accuracy"] for row in mine],
                linestyle="",
                markersize=4,
                alpha=0.6,
                **style,
            )
            if summary["low"] is not None:
                panel.plot(
                    [summary[quantity]] * 2,
                    [100 * summary["low"], 100 * summary["high"]],
                    color=style["color"],
                    linewidth=1.2,
                )
            panel.plot(
                [summary[quantity]],
                [100 * summary["accuracy"]],
                linestyle="",
                markersize=9,
                label=summary["model"],
                **style,
            )
        sizes = [summary[quantity] for summary in models]
        if min(sizes) > 0 and max(sizes) > 8 * min(sizes):
            panel.set_xscale("log")
        else:
            panel.set_xlim(0, 1.1 * max([*sizes, 1e-9]))
        panel.set_xlabel(words)
        panel.xaxis.set_major_formatter(_in_thousands)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    lowest, highest = (100 * end for end in _ends(models))
    for panel in axes:
        panel.set_ylim(lowest - 2, min(highest + 2, 101))
    axes[0].set_ylabel("accuracy, %")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=_beside(names), frameon=False)
    figure.suptitle(title, fontsize=12)
    save_figure(figure, path)


def _ends(models: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """The lowest and the highest accuracy that a figure shows; an interval of very few seeds may leave it."""
    least, best = min(row["least"] for row in models), max(row["best"] for row in models)
    lows, highs = ([row[key] for row in models if row[key] is not None] for key in ("low", "high"))
    return max(min([least, *lows]), least - 0.15), min(max([best, *highs]), best + 0.15)


def _beside(names: Sequence[str]) -> int:
    """How many names of a legend stand in a row, so that none leaves the figure."""
    return max(1, min(len(names), 110 // (max(map(len, names)) + 7)))


def _in_thousands(value: float, _: int) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
