"""A picture as a matplotlib figure, pixel for pixel, shown once in a notebook's cell."""

import sys
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from convscope.notebook.sheet import png

_DPI = 100


class PictureFigure(Figure):
    """A figure that a notebook shows by itself, whatever pyplot is set to, and not twice in the cell that has shown it already."""

    pixels: np.ndarray
    shown_in: int | None = None

    def _ipython_display_(self) -> None:
        session = _session()
        if session is not None and session.execution_count != self.shown_in:
            _display(self.pixels)


def shown(pixels: np.ndarray) -> PictureFigure:
    """A figure of a picture, shown at once where a notebook runs.

    Args:
        pixels: (H, W, 3) uint8.
    """
    height, width = pixels.shape[:2]
    figure = PictureFigure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    # Not pyplot's: that one keeps every figure, and draws it once more at the end of the cell.
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(pixels, interpolation="none", aspect="auto")
    axis.set_axis_off()
    figure.pixels = pixels
    session = _session()
    if session is not None:
        figure.shown_in = session.execution_count
        _display(pixels)
    return figure


def _session() -> Any:
    """IPython's running session, if there is one."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module else None


def _display(pixels: np.ndarray) -> None:
    from IPython.display import Image, display

    display(Image(data=png(pixels), format="png"))
