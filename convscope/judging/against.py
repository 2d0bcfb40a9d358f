"""Where the maps of one model lie, against those of another on the same images: which methods reveal a cheat?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.errors import UserError
from convscope.judging.bootstrap import interval
from convscope.judging.names import CONTROLS, METRICS, title_of

# Of the metrics, those that say where a map lies.
PLACES = ("energy", "pointing")
LESS, MORE, ALIKE = "less on the object", "more on the object", "no difference shown"
COLUMNS = ("method", "metric", "mean", "low", "high", "other_mean", "other_low", "other_high",
           "difference", "difference_low", "difference_high", "images", "shows")  # fmt: skip


@dataclass(frozen=True)
class Judgement:
    """The numbers of one method on a model: `keys` (N,) ids of the images, `metrics` metric -> (N,)."""

    keys: Sequence[str]
    metrics: Mapping[str, np.ndarray]


def against(mine: Mapping[str, Judgement], other: Mapping[str, Judgement], seed: int = 0) -> list[dict[str, Any]]:
    """Compare two models method by method, image by image.

    Args:
        mine: method -> numbers of the model in question.
        other: the same of the model that it is compared with; methods that only one of them has are left out.
        seed: of the bootstrap.

    Returns:
        Rows with the columns `COLUMNS`, by metric, then method. `difference` is mean(mine - other) over the `images` where
        both are defined, with its paired 95 % interval; `shows` is one of `LESS`, `MORE` (the interval leaves out zero) and
        `ALIKE`.

    Raises:
        UserError: the two were judged on other images.
    """
    rows = []
    for metric in PLACES:
        for method, judgement in mine.items():
            beside = other.get(method)
            if beside is None or metric not in judgement.metrics or metric not in beside.metrics:
                continue
            if list(judgement.keys) != list(beside.keys):
                raise UserError(
                    f"judging: '{method}' was judged on other images for the two models; give both the same images and limit"
                )
            first, second = judgement.metrics[metric], beside.metrics[metric]
            both = np.isfinite(first) & np.isfinite(second)
            if both.any():
                rows.append({"method": method, "metric": metric, **_row(first[both], second[both], seed)})
    return rows


def revealing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The methods whose maps lie less on the object than the other model's, by any metric; controls know no model."""
    return list(dict.fromkeys(r["method"] for r in rows if r["shows"] == LESS and r["method"] not in CONTROLS))


def _row(first: np.ndarray, second: np.ndarray, seed: int) -> dict[str, Any]:
    mine, other, gap = (interval(values, seed) for values in (first, second, first - second))
    shows = LESS if gap.high < 0 else MORE if gap.low > 0 else ALIKE
    names = ("mean", "low", "high", "other_mean", "other_low", "other_high",
             "difference", "difference_low", "difference_high")  # fmt: skip
    values = [v for found in (mine, other, gap) for v in (found.mean, found.low, found.high)]
    numbers = {name: float(f"{value:.5g}") for name, value in zip(names, values, strict=True)}
    return {**numbers, "images": gap.count, "shows": shows}


def draw_against(rows: Sequence[Mapping[str, Any]], model: str, other: str, path: Any) -> None:
    """One panel a metric: for every method both models' means and 95 % intervals, joined by a line.

    Args:
        rows: of `against`.
        model: name of the model in question, orange.
        other: name of the one it is compared with, blue.
        path: PNG to write.
    """
    from convscope.figures import new_figure, save_figure

    shown = [metric for metric in PLACES if any(row["metric"] == metric for row in rows)]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, axes = new_figure(9.6, 1.1 + 0.3 * max(len(methods), 1), 1, max(len(shown), 1))
    for number, (panel, metric) in enumerate(zip(np.atleast_1d(axes).ravel(), shown, strict=False)):
        by_method = {row["method"]: row for row in rows if row["metric"] == metric}
        for place, method in enumerate(methods):
            row = by_method.get(method)
            if row is None:
                continue
            panel.plot([row["mean"], row["other_mean"]], [place, place], color="#c8c8c8", linewidth=1, zorder=1)
            for part, name, colour, shift in (("", model, "#c8500a", -0.13), ("other_", other, "#1f5fa8", 0.13)):
                ends = [row[f"{part}low"], row[f"{part}high"]]
                panel.plot(ends, [place + shift] * 2, color=colour, linewidth=1.6)
                label = name if place == 0 and number == 0 else None
                panel.plot(row[f"{part}mean"], place + shift, "o", color=colour, markersize=4.5, label=label)
        panel.set_title(METRICS[metric].title, fontsize=9)
        panel.set_xlim(-0.02, 1.02)
        panel.set_ylim(len(methods) - 0.5, -0.5)
        panel.set_yticks(range(len(methods)), [title_of(m) for m in methods] if number == 0 else [])
        panel.tick_params(labelsize=7.5)
        panel.grid(axis="x", linewidth=0.3)
    if rows:
        figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    save_figure(figure, path)
