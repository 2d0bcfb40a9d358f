"""Drawn produce: pictures of 16 kinds of fruit and vegetables, with a mask of their parts.

`draw_produce` draws one picture from its number; `DRAWN_PRODUCE` is the kind that `drawing.dataset.write_dataset`
writes.
"""

from convscope.drawing.dataset import Drawings
from convscope.drawn_produce.pieces import PARTS
from convscope.drawn_produce.produce import CLASSES, draw_produce

DRAWN_PRODUCE = Drawings("drawn_produce", CLASSES, PARTS, draw_produce)

__all__ = ["CLASSES", "DRAWN_PRODUCE", "PARTS", "draw_produce"]
