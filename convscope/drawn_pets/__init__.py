"""Drawn pets: pictures of cats and dogs made from shapes, endlessly varied, with a mask of their parts.

`draw_pet` draws one picture from its number; `DRAWN_PETS` is the kind that `drawing.dataset.write_dataset` writes.
"""

from convscope.drawing.dataset import Drawings
from convscope.drawn_pets.pets import CLASSES, draw_pet
from convscope.drawn_pets.shapes import PARTS

DRAWN_PETS = Drawings("drawn_pets", CLASSES, PARTS, draw_pet)

__all__ = ["CLASSES", "DRAWN_PETS", "PARTS", "draw_pet"]
