"""Drawn pets: pictures of cats and dogs made from shapes, endlessly varied, with a mask of their parts.

`draw_pet` draws one picture from its number; `DRAWN_PETS` is the kind that `drawn.dataset.write_dataset` writes, and
`pets_before` that kind before backgrounds of a choice.
"""

from functools import partial

from convscope.data.drawn.dataset import Drawings
from convscope.data.drawn.pets.pets import CLASSES, draw_pet
from convscope.data.drawn.pets.shapes import PARTS


def pets_before(background: str) -> Drawings:
    """Drawn pets before one of the choices of `backgrounds.CHOICES`."""
    return Drawings("drawn_pets", CLASSES, PARTS, partial(draw_pet, background=background), {"background": background})


DRAWN_PETS = pets_before("any")

__all__ = ["CLASSES", "DRAWN_PETS", "PARTS", "draw_pet", "pets_before"]
