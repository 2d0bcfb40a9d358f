"""Small plots without a display, the same bytes every time."""

from pathlib import Path
from typing import Any

from convscope.storage.files import atomic_path


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    """A matplotlib figure of so many inches, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure as PNG in one step, without the library's version in it; a name with two dollar signs is no formula."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        # A logarithmic axis writes its own numbers as formulas.
        if "$" in text.get_text() and r"\mathdefault" not in text.get_text():
            text.set_parse_math(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
