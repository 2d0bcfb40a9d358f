"""Pictures of filter patterns: the grid of a layer, and how the objectives rose."""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from convscope.pictures.channels import RGB, Channels
from convscope.pictures.plots import new_figure, save_figure
from convscope.pictures.render import grid, pattern_picture

COLUMNS, MARGIN = 8, 5
_DEAD_GREY = 40
# Letters of a line below a pattern: as many as are as wide as it is.
_LABEL = 28


def pattern_grid(
    patterns: Any, crop: int, dead: np.ndarray, bounded: bool = False, channels: Channels = RGB
) -> tuple[np.ndarray, dict[str, Any]]:
    """A layer's patterns, eight a row with margins of 5 px; a dead filter is a crossed-out cell.

    Args:
        patterns: (N, H, W, C) float, an array or an HDF5 dataset (read one by one).
        crop: pixels cut from each side.
        dead: (N,) bool.
        bounded, channels: see `pattern_picture`.

    Returns:
        The picture, uint8, and its geometry: columns, cell, margin, count.
    """
    cells = []
    for index in range(len(patterns)):
        cell = pattern_picture(np.asarray(patterns[index], np.float32), crop, bounded, channels)
        cells.append(crossed_out(cell.shape[0]) if dead[index] else cell)
    geometry = {"columns": min(COLUMNS, len(cells)), "cell": cells[0].shape[0], "margin": MARGIN, "count": len(cells)}
    return grid(cells, COLUMNS, MARGIN), geometry


def crossed_out(side: int) -> np.ndarray:
    """What stands in the place of a dead pattern: (side, side, 3) uint8."""
    image = Image.new("RGB", (side, side), (_DEAD_GREY,) * 3)
    pen = ImageDraw.Draw(image)
    inset = side // 3
    for start, end in (((inset, inset), (side - inset, side - inset)), ((inset, side - inset), (side - inset, inset))):
        pen.line([start, end], fill=(110, 110, 110), width=2)
    return np.asarray(image)


def objective_figure(
    path: str | Path, objective: np.ndarray, channels: list[int], dead: np.ndarray, title: str
) -> None:
    """The objective of every filter at every step: (N, steps + 1); a line a filter, the median in front."""
    figure, axis = new_figure(7.0, 4.2)
    alive = objective[~np.asarray(dead, bool)]
    steps = np.arange(objective.shape[1])
    for values in alive:
        axis.plot(steps, values, color="#2563a8", alpha=0.25, linewidth=0.9)
    if len(alive):
        axis.plot(
            steps, np.median(alive, axis=0), color="#c2571a", linewidth=2.2, label=f"median of {len(alive)} filters"
        )
        axis.legend(frameon=False, fontsize=9)
    axis.set_xlabel("step")
    axis.set_ylabel("mean response")
    axis.grid(alpha=0.25)
    count = int(np.sum(dead))
    axis.set_title(title + (f" ({count} of {len(channels)} filters dead)" if count else ""), fontsize=11)
    save_figure(figure, path)


def labelled_patterns(path: str | Path, title: str, pictures: list[np.ndarray], labels: list[str]) -> None:
    """Patterns side by side, each with what it is of below it.

    Args:
        path: the PNG.
        title: of the figure.
        pictures: (h, w, 3) uint8, as `render.pattern_picture` makes them.
        labels: of each; long ones are broken, and what is beyond four lines is left out.
    """
    columns = min(len(pictures), 6)
    rows = -(-len(pictures) // columns)
    words = [textwrap.wrap(label, _LABEL, max_lines=4, placeholder=" \u2026") for label in labels]
    lines = max(map(len, words))
    figure, axes = new_figure(1.9 * columns + 0.3, (2.0 + 0.13 * lines) * rows + 0.4, rows, columns)
    for place, axis in enumerate(np.ravel(axes)):
        if place >= len(pictures):
            axis.set_axis_off()
            continue
        axis.imshow(pictures[place])
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        # Not a title: room is made for the lines of a label alone.
        axis.set_xlabel("\n".join(words[place]), fontsize=7.5)
    figure.suptitle("\n".join(textwrap.wrap(title, _LABEL * columns)), fontsize=9)
    save_figure(figure, path)
