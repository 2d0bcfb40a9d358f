"""Figures of the judging: every metric with its interval, curves, and the agreement between methods."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convscope.judging.against import PLACES
from convscope.judging.gate import FAILED, NOT_JUDGED, PASSED, UNDECIDED, Verdict
from convscope.judging.names import CONTROLS, METRICS, title_of
from convscope.pictures.plots import new_figure, save_figure

_COLOURS = {PASSED: "#1a7f4b", FAILED: "#b3261e", UNDECIDED: "#a66a00", NOT_JUDGED: "#555555"}
_GREY = "#9a9a9a"


def draw_metrics(rows: Sequence[Mapping[str, Any]], verdicts: Mapping[str, Verdict], path: Path) -> None:
    """One panel a metric: the mean of each method and its 95 % interval; a line for every control map.

    Args:
        rows: of `report.table`; regions other than the whole object are left out.
        verdicts: colour the methods: green passed, red failed, brown not decided, grey not judged.
        path: PNG to write.
    """
    rows = [row for row in rows if not row["region"]]
    shown = [metric for metric in METRICS if any(row["metric"] == metric for row in rows)]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    columns = min(4, max(len(shown), 1))
    lines = -(-max(len(shown), 1) // columns)
    figure, axes = new_figure(3.2 * columns + 1.4, (0.24 * len(methods) + 1.1) * lines, lines, columns)
    panels = np.atleast_1d(axes).ravel()
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    for number, (panel, metric) in enumerate(zip(panels, shown, strict=False)):
        by_method = {row["method"]: row for row in rows if row["metric"] == metric}
        for place, method in enumerate(methods):
            row = by_method.get(method)
            if row is None:
                continue
            colour = _GREY if method in CONTROLS else _colour(verdicts, method)
            if method in CONTROLS:
                panel.axvline(row["mean"], color=_GREY, linewidth=0.8, linestyle=":")
            if row["low"] is not None and row["high"] is not None:
                panel.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2)
            panel.plot([row["mean"]], [place], "o", color=colour, markersize=4)
        panel.set_title(_wrapped(METRICS[metric].title, METRICS[metric].better), fontsize=8)
        panel.set_ylim(len(methods) - 0.5, -0.5)
        panel.set_yticks(range(len(methods)), [title_of(m) for m in methods] if number % columns == 0 else [])
        panel.tick_params(labelsize=7)
        panel.grid(axis="x", linewidth=0.3)
        if number % columns == 0:
            for tick, method in zip(panel.get_yticklabels(), methods, strict=True):
                tick.set_color(_GREY if method in CONTROLS else _colour(verdicts, method))
    save_figure(figure, path)


def draw_curves(
    curves: Mapping[str, Mapping[str, np.ndarray]],
    cascades: Mapping[str, Mapping[str, np.ndarray]],
    path: Path,
    head: str = "",
) -> None:
    """Mean deletion and insertion curve of every method, and similarity against the depth of randomisation.

    Args:
        curves: method -> {"fractions" (P,), "deletion" (N, P), "insertion" (N, P)}.
        cascades: method -> {"depths" (S,), "spearman_abs" (N, S)}.
        path: PNG to write.
        head: of the model; the outputs of a regression have no bounds, and both panels have the same scale.
    """
    numbers = head == "regression"
    curves = {method: values for method, values in curves.items() if len(values["deletion"])}
    # A picture whose own map is constant says nothing of likeness.
    known = {
        m: values["spearman_abs"][np.isfinite(values["spearman_abs"]).all(axis=1)] for m, values in cascades.items()
    }
    cascades = {method: {**values, "spearman_abs": known[method]} for method, values in cascades.items()}
    cascades = {method: values for method, values in cascades.items() if len(values["spearman_abs"])}
    figure, axes = new_figure(13, 4.2, 1, 3)
    methods = list(dict.fromkeys([*curves, *cascades]))
    styles = {method: _style(method, index) for index, method in enumerate(methods)}
    for panel, name in zip(axes, ("deletion", "insertion"), strict=False):
        for method, values in curves.items():
            panel.plot(values["fractions"], values[name].mean(axis=0), **styles[method])
        panel.set_title(f"{name}: {'the output' if numbers else 'probability of the class'} explained", fontsize=9)
        panel.set_xlabel("share of the pixels", fontsize=8)
        if not numbers:
            panel.set_ylim(-0.02, 1.02)
    if numbers:
        axes[1].sharey(axes[0])
    for method, values in cascades.items():
        depths = [0.0, *values["depths"]]
        axes[2].plot(depths, [1.0, *values["spearman_abs"].mean(axis=0)], **styles[method])
    axes[2].set_title("randomised from the top:\nlikeness to the original map (Spearman, absolute)", fontsize=9)
    axes[2].set_xlabel("share of the layers that is random", fontsize=8)
    axes[2].set_ylim(-0.3, 1.02)
    for panel in axes:
        panel.tick_params(labelsize=7)
        panel.grid(linewidth=0.3)
    handles = [axes[0].plot([], [], **styles[method])[0] for method in methods]
    if handles:
        figure.legend(handles, [title_of(m) for m in methods], loc="outside right upper", fontsize=7)
    save_figure(figure, path)


def draw_agreement(names: Sequence[str], matrix: np.ndarray, path: Path) -> None:
    """The matrix of mean rank correlations between methods, -1 blue to 1 red, the numbers written in."""
    side = max(3.0, 0.42 * len(names) + 1.6)
    figure, panel = new_figure(side + 0.8, side)
    picture = panel.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    labels = [title_of(name) for name in names]
    panel.set_xticks(range(len(names)), labels, rotation=60, ha="right", fontsize=7)
    panel.set_yticks(range(len(names)), labels, fontsize=7)
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            if np.isfinite(value):
                dark = abs(value) > 0.6
                panel.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=6, color="w" if dark else "k")
    figure.colorbar(picture, ax=panel, shrink=0.7).ax.tick_params(labelsize=7)
    panel.set_title("agreement: mean Spearman correlation", fontsize=9)
    save_figure(figure, path)


def draw_against(rows: Sequence[Mapping[str, Any]], model: str, other: str, path: Path) -> None:
    """One panel a metric: for every method both models' means and 95 % intervals, joined by a line.

    Args:
        rows: of `against`.
        model: name of the model in question, orange.
        other: name of the one it is compared with, blue.
        path: PNG to write.
    """
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
                if None not in ends:
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


def _colour(verdicts: Mapping[str, Verdict], method: str) -> str:
    return _COLOURS[verdicts[method].status] if method in verdicts else _COLOURS[NOT_JUDGED]


def _style(method: str, index: int) -> dict[str, Any]:
    if method in CONTROLS:
        return {"color": _GREY, "linestyle": ("-", "--", ":")[list(CONTROLS).index(method)], "linewidth": 1.4}
    # Without the grey of matplotlib's ten colours, which is that of the controls.
    colour = f"C{[0, 1, 2, 3, 4, 5, 6, 8, 9][index % 9]}"
    return {"color": colour, "linestyle": ("-", "--", "-.")[index // 9 % 3], "linewidth": 1.2}


def _wrapped(title: str, better: str) -> str:
    import textwrap

    words = "\n".join(textwrap.wrap(title, 34))
    return f"{words}\n({better} is better)" if better else words
