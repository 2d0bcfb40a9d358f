"""Drawn produce: pictures of 16 kinds of fruit and vegetables, with a mask of their parts.

`draw_produce` draws one picture from its number; `DRAWN_PRODUCE` is the kind that `drawn.dataset.write_dataset`
writes.
"""

from convscope.data.drawn.dataset import Drawings
from convscope.data.drawn.produce.pieces import PARTS
from convscope.data.drawn.produce.produce import CLASSES, draw_produce

DRAWN_PRODUCE = Drawings("drawn_produce", CLASSES, PARTS, draw_produce)

__all__ = ["CLASSES", "DRAWN_PRODUCE", "PARTS", "draw_produce"]
