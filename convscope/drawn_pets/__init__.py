"""Drawn pets: pictures of cats and dogs made from shapes, endlessly varied, with a mask of their parts.

`draw_pet` draws one picture from its number; `write_dataset` fills a folder. See `pets`, `dataset`.
"""

from convscope.drawn_pets.dataset import write_dataset
from convscope.drawn_pets.pets import CLASSES, DrawnPet, draw_pet
from convscope.drawn_pets.shapes import PARTS

__all__ = ["CLASSES", "PARTS", "DrawnPet", "draw_pet", "write_dataset"]
