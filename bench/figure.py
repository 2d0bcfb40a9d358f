"""The picture of a benchmark: each measured thing as a share of its bar."""

from collections.abc import Sequence
from pathlib import Path

from bench.lines import Line, shown
from convscope.storage.files import atomic_path

# What is far better than asked is drawn to here; its number stands beside it.
_WIDEST = 3.0


def score(line: Line, value: float) -> float:
    """How far past its bar a value is: 1 keeps it exactly, 2 is twice as good.

    Raises:
        ValueError: nothing is asked of the line.
    """
    if line.bar is None:
        raise ValueError(f"{line.what} has no bar")
    return line.bar / value if line.at_most else value / line.bar


def draw(lines: Sequence[Line], path: Path, title: str) -> None:
    """A bar a measured thing that has a bar to keep: median, range of the rounds; right of the line it is kept."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    asked = [line for line in lines if line.bar is not None and line.value.low > 0][::-1]
    figure, axes = pyplot.subplots(figsize=(11, 1.2 + 0.42 * len(asked)), layout="constrained")
    for place, line in enumerate(asked):
        middle, ends = score(line, line.value.median), sorted(score(line, v) for v in (line.value.low, line.value.high))
        middle, ends = min(middle, _WIDEST), [min(end, _WIDEST) for end in ends]
        axes.barh(place, middle, color="#3b7d4f" if line.passed else "#b5482f", height=0.62)
        axes.hlines(place, ends[0], ends[1], color="#222222", linewidth=1.5)
        asked_for = f"{shown(line.value.median, line.unit)}  (asked: {shown(line.bar or 0, line.unit)})"
        axes.text(max(middle, ends[1]) + 0.02, place, asked_for, va="center", fontsize=9)
    axes.axvline(1, color="#222222", linewidth=1, linestyle="--")
    axes.set_yticks(range(len(asked)), [line.what for line in asked], fontsize=9)
    axes.set_xlim(0, 1.35 * _WIDEST)
    axes.set_xlabel(f"share of what is asked (1: kept; {_WIDEST:.0f}: as much, or more)")
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
    pyplot.close(figure)
