"""Small plots without a display, the same bytes every time."""

import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from convscope.pictures.fonts import fonts_for, missing_in_plots
from convscope.storage.files import atomic_path


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    """A matplotlib figure of so many inches, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure as PNG in one step, without the library's version in it.

    A name with two dollar signs is no formula, and letters that matplotlib's font lacks are those of fonts of the machine.
    """
    from matplotlib.text import Text

    texts = figure.findobj(Text)
    families = [_family(place) for place, _ in fonts_for(missing_in_plots("".join(text.get_text() for text in texts)))]
    for text in texts:
        if families:
            text.set_fontfamily([*text.get_fontfamily(), *families])
        # A logarithmic axis writes its own numbers as formulas.
        if "$" in text.get_text() and r"\mathdefault" not in text.get_text():
            text.set_parse_math(False)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # What no font has is told by `fonts_for`.
        warnings.filterwarnings("ignore", r"Glyph \d+")
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


@lru_cache(maxsize=64)
def _family(place: Path) -> str:
    """Make a font known to matplotlib; how it calls it."""
    from matplotlib.font_manager import fontManager, get_font

    fontManager.addfont(place)
    return str(get_font(place).family_name)
