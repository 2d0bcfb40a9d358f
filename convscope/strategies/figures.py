"""The kinds of reasons of each class, drawn: the mean map of each kind, and the map of pictures."""

from pathlib import Path

import numpy as np

from convscope.pictures.plots import new_figure, save_figure
from convscope.strategies.colours import COLOURS
from convscope.strategies.report import ClassKinds, Strategies

SHOWN, _ACROSS = 10, 4  # classes, and kinds of each


def told_first(classes: tuple[ClassKinds, ...]) -> list[int]:
    """The places of the classes that are shown, in their order: those with several kinds, then those with most pictures."""
    order = sorted(range(len(classes)), key=lambda k: (-(len(classes[k].groups) > 1), -classes[k].pictures, k))
    return sorted(order[:SHOWN])


def draw_strategies(path: str | Path, title: str, found: Strategies) -> None:
    """Draw a row a class: its map of pictures, in colours of their kinds, and each kind's mean heatmap, by its own largest value."""
    shown = told_first(found.classes)
    across = 1 + min(max((len(found.classes[k].groups) for k in shown), default=1), _ACROSS)
    down = max(len(shown), 1)
    figure, axes = new_figure(max(2.1 * across, 6.4), 2.45 * down + 0.5, down, across)
    cells = np.array(axes, object).reshape(down, across)
    for cell in cells.ravel():
        cell.set_axis_off()
    left_out = len(found.classes) - len(shown)
    figure.suptitle(title + (f" ({left_out} more classes are in the table)" if left_out else ""), fontsize=9)
    for row, place in zip(cells, shown, strict=False):
        entry = found.classes[place]
        own = found.explained == place
        row[0].set_title(f"{entry.name}: {_short(entry)}", fontsize=7, loc="left")
        points, kind = found.places[own], found.kind[own]
        for number in range(1, len(entry.groups) + 1):
            some = points[kind == number]
            row[0].scatter(some[:, 0], some[:, 1], s=7, color=COLOURS[(number - 1) % len(COLOURS)], linewidths=0)
        row[0].set(xlim=(-0.05, 1.05), ylim=(1.05, -0.05), aspect="equal")
        for cell, group in zip(row[1:], entry.groups, strict=False):
            cell.imshow(group.mean, cmap="inferno", vmin=0, interpolation="nearest")
            words = (
                f"kind {group.row.kind}: {group.row.pictures} of {group.row.of}" if len(entry.groups) > 1 else "mean"
            )
            words += f"\n{group.row.warning.partition(':')[0]}" if group.row.warning else ""
            cell.set_title(words, fontsize=7, color=COLOURS[(group.row.kind - 1) % len(COLOURS)])
    save_figure(figure, path)


def _short(entry: ClassKinds) -> str:
    if np.isnan(entry.chance):
        return f"{entry.pictures - entry.empty} maps, too few"
    if len(entry.groups) == 1:
        return "no kinds told apart"
    return f"{len(entry.groups)} kinds (p = {entry.chance:.1g})"
