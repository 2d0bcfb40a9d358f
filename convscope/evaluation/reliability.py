"""The reliability diagram: how often answers of some probability are right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convscope.pictures.plots import new_figure, save_figure


def draw_reliability(
    rows: Sequence[dict[str, float]],
    error: float | None,
    title: str,
    path: Path,
    height: str = "accuracy",
    across: str = "confidence (probability of the predicted class)",
    counted: str = "images",
) -> None:
    """Draw it as PNG: accuracy by confidence, the gap to the diagonal, and how many answers a bin.

    Args:
        rows: of `metrics.calibration`.
        error: calibration error.
        title, height, across, counted: of the figure and its axes.
        path: the PNG.
    """
    filled = [row for row in rows if row["images"]]
    middles = np.array([(row["low"] + row["high"]) / 2 for row in filled])
    width = 1 / max(len(rows), 1)
    figure, (axis, counts) = new_figure(5.2, 6.0, rows=2)
    axis.get_gridspec().set_height_ratios([3, 1])
    accuracy = np.array([row["accuracy"] for row in filled])
    confidence = np.array([row["confidence"] for row in filled])
    low, high = np.minimum(accuracy, confidence), np.maximum(accuracy, confidence)
    axis.bar(middles, accuracy, width * 0.92, color="#1f6feb", label=height)
    axis.bar(middles, high - low, width * 0.92, low, color="#d1242f22", edgecolor="#d1242f", hatch="//", label="gap")
    axis.plot([0, 1], [0, 1], ":", lw=1.2, color="#1b1b1a", label="calibrated")
    axis.set(ylabel=height, title=title, xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(frameon=False, loc="upper left", title=None if error is None else f"calibration error {error:.3f}")
    counts.bar(middles, [row["images"] for row in filled], width * 0.92, color="#8a8f98")
    counts.set(xlabel=across, ylabel=counted, xlim=(0, 1))
    for part in (axis, counts):
        part.spines[["top", "right"]].set_visible(False)
        part.grid(alpha=0.25)
        part.set_axisbelow(True)
    save_figure(figure, path)
